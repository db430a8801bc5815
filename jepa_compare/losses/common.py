"""What several losses need: samples of the latents, a projector, checks of arguments.

Shape legend: n samples, d dimensions.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepa_compare.checks import require
from jepa_compare.latents import Latents


def flatten(z: Float[Tensor, "*leading d"]) -> Float[Tensor, "n d"]:
    """All leading axes as samples, in float32 whatever autocast made of them."""
    return z.flatten(0, -2).float()


def views(latents: Latents) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """z_pred and z_target as samples."""
    return flatten(latents.z_pred), flatten(latents.z_target)


PLACES = ("views", "context")
"""What an argument `on` names: z_pred and z_target, or every output of the online encoder."""


def inert_on_views(on: str, target: str) -> str | None:
    """`AuxLoss.inert_terms` of a loss that is a sum of terms, one of them on z_target alone."""
    if on == "views" and target != "shared":
        return "no gradient reaches z_target, so half of this loss is a constant"
    return None


def no_autocast(z: Tensor) -> torch.autocast:
    """The context in which a loss computes: float32 means float32."""
    return torch.autocast(z.device.type, enabled=False)


def require_widths(**values: list[int]) -> None:
    """Raise RangeError for the first of `values` with a width below 1; [] is allowed."""
    for name, widths in values.items():
        require(all(width >= 1 for width in widths), name, widths, "a list of positive widths")


def build_projector(dim: int, widths: list[int]) -> nn.Module:
    """Linear, BatchNorm, ReLU blocks and a last linear layer without bias; [] is the identity.

    The architecture of VICReg's and Barlow Twins' expanders.
    """
    require_widths(projector=widths)
    layers: list[nn.Module] = []
    for width in widths[:-1]:
        layers += [nn.Linear(dim, width), nn.BatchNorm1d(width), nn.ReLU()]
        dim = width
    if widths:
        layers.append(nn.Linear(dim, widths[-1], bias=False))
    return nn.Sequential(*layers)
