"""Temporal similarity: successive latents are kept close (PLDM, arXiv 2502.14819)."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from jepa_compare.losses.helpers.base import HelperTerm


class TemporalSimilarity(HelperTerm):
    """Mean squared difference of successive latents."""

    def __init__(self, *, dim: int, action_dim: int) -> None:
        super().__init__()

    def forward(
        self, z_context: Float[Tensor, "b t d"], actions: Float[Tensor, "b t-1 a"] | None
    ) -> Float[Tensor, ""]:
        z = z_context.float()
        return F.mse_loss(z[:, 1:], z[:, :-1])
