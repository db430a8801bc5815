"""Barlow Twins: redundancy reduction (Zbontar et al., arXiv 2103.03230).

Shape legend: n samples, d dimensions.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from jepa_compare.latents import Latents
from jepa_compare.losses.base import AuxLoss, AuxOutput
from jepa_compare.losses.common import (
    build_projector,
    no_autocast,
    require_at_least,
    views,
    with_gradient,
)


def standardise(z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Zero mean and unit (biased) variance per feature, as BatchNorm without affine, ε = 1e-5."""
    return F.batch_norm(z, None, None, training=True, eps=1e-5)


def cross_correlation_terms(
    a: Float[Tensor, "n d"], b: Float[Tensor, "n d"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Equation 1: Σ(c_ii − 1)² and Σ_{i≠j} c_ij² with c = aᵀb/n of standardised a and b. The
    textbook form."""
    c = a.T @ b / a.shape[0]
    on_diagonal = (c.diagonal() - 1).square().sum()
    return on_diagonal, c.fill_diagonal_(0).square().sum()


@torch.no_grad()
def cross_correlation(
    a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], off_diagonal_weight: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """Both terms, and the gradient of their weighted sum at a and at b.

    Σ c_ij² = Σ (aaᵀ ∘ bbᵀ)/n² lets it cost the smaller of n²d and nd². The n×n form has to
    subtract the diagonal's squares; it is used for n ≤ ¾ d, where the rank of c alone keeps the
    whole sum above 4/3 of them.
    """
    n, d = a.shape
    diagonal = (a * b).sum(dim=0) / n
    on_diagonal = (diagonal - 1).square().sum()
    pull = 2 * (diagonal - 1)  # of the diagonal entries
    if 4 * n <= 3 * d:
        gram_a, gram_b = a @ a.T, b @ b.T
        off_diagonal = (gram_a * gram_b).sum() / n**2 - diagonal.square().sum()
        rest = pull - 2 * off_diagonal_weight * diagonal
        grad_a = torch.addmm(b * rest, gram_b, a, alpha=2 * off_diagonal_weight / n)
        grad_b = torch.addmm(a * rest, gram_a, b, alpha=2 * off_diagonal_weight / n)
    else:
        c = (a.T @ b / n).fill_diagonal_(0)
        off_diagonal = c.square().sum()
        grad_a = torch.addmm(b * pull, b, c.T, alpha=2 * off_diagonal_weight)
        grad_b = torch.addmm(a * pull, a, c, alpha=2 * off_diagonal_weight)
    return on_diagonal, off_diagonal, grad_a / n, grad_b / n


class BarlowTwins(AuxLoss):
    """scale_loss · [Σ(c_ii − 1)² + λ Σ_{i≠j} c_ij²], c the cross-correlation of the two views.

    A sum over d² entries: it grows with d, so a weight belongs to its d. The paper's λ is 0.0051.
    `projector` widths: [] for none. Each term couples both views, so a target without gradient
    leaves every term of it working on z_pred.
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
            a, b = (standardise(self.projector(view)) for view in views(latents))
            on, off, grad_a, grad_b = cross_correlation(
                a.detach(), b.detach(), self.off_diagonal_weight
            )
            value = on + self.off_diagonal_weight * off
            loss = self.scale_loss * with_gradient(value, [(a, grad_a), (b, grad_b)])
        return AuxOutput(loss=loss, terms={"on_diagonal": on, "off_diagonal": off})
