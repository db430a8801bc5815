"""Temporal similarity: keep successive latents close (PLDM, arXiv 2502.14819).

Shape legend: b trajectories, t frames, d latent dimensions, a action dimensions.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from jepa_compare.losses.helpers.base import HelperTerm


class TemporalSimilarity(HelperTerm):
    """Mean squared difference of successive latents, in squared units of the latents.

    Args:
        dim: latent dimensions, from the model; not used.
        action_dim: action dimensions, from the data; not used.
    """

    def __init__(self, *, dim: int, action_dim: int) -> None:
        super().__init__()

    def forward(
        self, z_context: Float[Tensor, "b t d"], actions: Float[Tensor, "b t-1 a"] | None
    ) -> Float[Tensor, ""]:
        z = z_context.float()
        return F.mse_loss(z[:, 1:], z[:, :-1])
