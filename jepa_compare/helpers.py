"""Helper terms: explicit, weighted in the config, and the same for every loss of a sweep.

They are kept apart from the auxiliary losses because they decide results on their own: without
inverse dynamics the published random-wall recipe falls from 97 to 1 % (arXiv 2602.03604).

Shape legend: b trajectories, t frames, d latent dimensions, a action dimensions.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def temporal_similarity(z_context: Float[Tensor, "b t d"]) -> Float[Tensor, ""]:
    """Mean squared difference of successive latents (PLDM, arXiv 2502.14819)."""
    return F.mse_loss(z_context[:, 1:], z_context[:, :-1])


class Helpers(nn.Module):
    """The weighted helper terms of a run; a term of weight 0 is neither built nor reported."""

    def __init__(
        self,
        *,
        dim: int,
        action_dim: int,
        inverse_dynamics_weight: float,
        inverse_dynamics_hidden: list[int],
        temporal_similarity_weight: float,
    ) -> None:
        super().__init__()
        self.inverse_dynamics_weight = inverse_dynamics_weight
        self.temporal_similarity_weight = temporal_similarity_weight
        self.inverse_dynamics: nn.Sequential | None = None
        if inverse_dynamics_weight > 0:
            if action_dim == 0:
                raise ValueError(
                    f"helper.inverse_dynamics_weight={inverse_dynamics_weight}: the data has no"
                    " actions to decode; set it to 0"
                )
            layers: list[nn.Module] = []
            width = 2 * dim
            for hidden in inverse_dynamics_hidden:
                layers += [nn.Linear(width, hidden), nn.ReLU()]
                width = hidden
            self.inverse_dynamics = nn.Sequential(*layers, nn.Linear(width, action_dim))
            for layer in self.inverse_dynamics:
                if isinstance(layer, nn.Linear):  # as eb_jepa starts its own
                    nn.init.trunc_normal_(layer.weight, std=0.02)
                    nn.init.zeros_(layer.bias)

    def forward(
        self, z_context: Float[Tensor, "b t d"], actions: Float[Tensor, "b t-1 a"] | None
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """The weighted sum, and each term unweighted and detached."""
        total = z_context.new_zeros(())
        terms: dict[str, Tensor] = {}
        if self.inverse_dynamics is not None and actions is not None:
            pairs = torch.cat([z_context[:, :-1], z_context[:, 1:]], dim=2)  # [b t-1 2d]
            term = F.mse_loss(self.inverse_dynamics(pairs).float(), actions)
            total = total + self.inverse_dynamics_weight * term
            terms["inverse_dynamics"] = term.detach()
        if self.temporal_similarity_weight > 0:
            term = temporal_similarity(z_context.float())
            total = total + self.temporal_similarity_weight * term
            terms["temporal_similarity"] = term.detach()
        return total, terms
