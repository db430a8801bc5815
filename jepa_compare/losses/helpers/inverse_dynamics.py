"""Inverse dynamics: the action between two frames, decoded from their latents."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from jepa_compare.checks import require
from jepa_compare.losses.helpers.base import HelperTerm


class InverseDynamics(HelperTerm):
    """MSE of the action that an MLP with `hidden` widths decodes from two successive latents."""

    def __init__(self, *, dim: int, action_dim: int, hidden: list[int]) -> None:
        super().__init__()
        require(all(w >= 1 for w in hidden), "hidden", hidden, "a list of positive widths")
        if action_dim == 0:
            raise ValueError("the data has no actions that inverse dynamics could decode")
        layers: list[nn.Module] = []
        width = 2 * dim
        for size in hidden:
            layers += [nn.Linear(width, size), nn.ReLU()]
            width = size
        self.decoder = nn.Sequential(*layers, nn.Linear(width, action_dim))
        for layer in self.decoder:
            if isinstance(layer, nn.Linear):  # as eb_jepa starts its own
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(
        self, z_context: Float[Tensor, "b t d"], actions: Float[Tensor, "b t-1 a"] | None
    ) -> Float[Tensor, ""]:
        assert actions is not None
        pairs = torch.cat([z_context[:, :-1], z_context[:, 1:]], dim=2)  # [b t-1 2d]
        return F.mse_loss(self.decoder(pairs).float(), actions)
