"""Inverse dynamics: decode each action from the latents before and after it (Pathak et al., arXiv
1705.05363; as a helper of a JEPA, arXiv 2502.14819 and 2602.03604).

Shape legend: b trajectories, t frames, d latent dimensions, a action dimensions.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from jepa_compare.losses.common import require_widths
from jepa_compare.losses.helpers.base import HelperTerm


class InverseDynamics(HelperTerm):
    """Mean squared error of the actions that an MLP decodes from pairs of successive latents.

    Args:
        dim: latent dimensions, from the model.
        action_dim: action dimensions, from the data. Data without actions is a ValueError.
        hidden: widths of the MLP's hidden layers, [] for a linear map. eb_jepa: [256, 256].
    """

    def __init__(self, *, dim: int, action_dim: int, hidden: list[int]) -> None:
        super().__init__()
        if action_dim == 0:
            raise ValueError("inverse dynamics: the data has no actions to decode")
        require_widths(hidden=hidden)
        layers: list[nn.Module] = []
        width = 2 * dim
        for next_width in hidden:
            layers += [nn.Linear(width, next_width), nn.ReLU()]
            width = next_width
        self.decoder = nn.Sequential(*layers, nn.Linear(width, action_dim))
        for layer in self.decoder:
            if isinstance(layer, nn.Linear):  # as eb_jepa starts its own
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(
        self, z_context: Float[Tensor, "b t d"], actions: Float[Tensor, "b t-1 a"] | None
    ) -> Float[Tensor, ""]:
        assert actions is not None  # the constructor refuses data without
        pairs = torch.cat([z_context[:, :-1], z_context[:, 1:]], dim=2)  # [b t-1 2d]
        return F.mse_loss(self.decoder(pairs).float(), actions)
