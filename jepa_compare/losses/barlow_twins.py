"""Barlow Twins: redundancy reduction (Zbontar, Jing, Misra, LeCun, Deny, arXiv 2103.03230).

    L = Σ_i (1 − C_ii)² + λ Σ_i Σ_{j≠i} C_ij²        (equation 1)

Shape legend: n samples, d dimensions.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from jepa_compare.checks import require_at_least
from jepa_compare.latents import Latents
from jepa_compare.losses.base import AuxLoss, AuxOutput
from jepa_compare.losses.common import build_projector, no_autocast, views
from jepa_compare.losses.fused.autograd import with_gradient
from jepa_compare.losses.fused.barlow_twins import on_and_off_diagonal


def standardise(z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Zero mean and unit (biased) variance per feature, as the authors' BatchNorm, ε = 1e-5."""
    return F.batch_norm(z, None, None, training=True, eps=1e-5)


def cross_correlation(a: Float[Tensor, "n d"], b: Float[Tensor, "n d"]) -> Float[Tensor, "d d"]:
    """Equation 2: C = aᵀb/n of standardised a and b."""
    return standardise(a).T @ standardise(b) / a.shape[0]


def on_diagonal_term(c: Float[Tensor, "d d"]) -> Float[Tensor, ""]:
    """Equation 1, invariance: Σ_i (1 − C_ii)²."""
    return (1 - c.diagonal()).square().sum()


def off_diagonal_term(c: Float[Tensor, "d d"]) -> Float[Tensor, ""]:
    """Equation 1, redundancy reduction: Σ_{i≠j} C_ij²."""
    return (c - c.diagonal().diag()).square().sum()


class BarlowTwins(AuxLoss):
    """scale_loss · [Σ (1 − C_ii)² + off_diagonal_weight · Σ_{i≠j} C_ij²], C of the two views.

    A sum over d² entries: it grows with d, so a weight belongs to its d. Each term couples both
    views, so a target without gradient leaves every term of it working on z_pred.

    Args:
        dim: latent dimensions, from the model.
        off_diagonal_weight: λ, the weight of the redundancy reduction term. Paper: 0.0051.
        scale_loss: a factor of the whole, as several libraries have it. Paper: 1.
        projector: widths of the projector's layers, [] for none. Paper: [8192, 8192, 8192].
    """

    def __init__(
        self, *, dim: int, off_diagonal_weight: float, scale_loss: float, projector: list[int]
    ) -> None:
        super().__init__()
        require_at_least(0, off_diagonal_weight=off_diagonal_weight, scale_loss=scale_loss)
        self.off_diagonal_weight = off_diagonal_weight
        self.scale_loss = scale_loss
        self.projector = build_projector(dim, projector)

    def forward(self, latents: Latents) -> AuxOutput:
        with no_autocast(latents.z_pred):
            a, b = (self.projector(view) for view in views(latents))
            on, off, grad_a, grad_b = on_and_off_diagonal(
                a.detach(), b.detach(), self.off_diagonal_weight, self.scale_loss
            )
            value = self.scale_loss * (on + self.off_diagonal_weight * off)
            loss = with_gradient(value, [(a, grad_a), (b, grad_b)])
        return AuxOutput(loss=loss, terms={"on_diagonal": on, "off_diagonal": off})
