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
    gram,
    no_autocast,
    require_at_least,
    views,
    with_gradient,
)


def standardise(z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Zero mean and unit (biased) variance per feature, as BatchNorm without affine, ε = 1e-5. The
    textbook form."""
    return F.batch_norm(z, None, None, training=True, eps=1e-5)


def cross_correlation_terms(
    a: Float[Tensor, "n d"], b: Float[Tensor, "n d"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Equation 1: Σ(c_ii − 1)² and Σ_{i≠j} c_ij² with c = aᵀb/n of standardised a and b. The
    textbook form."""
    c = a.T @ b / a.shape[0]
    on_diagonal = (c.diagonal() - 1).square().sum()
    return on_diagonal, c.fill_diagonal_(0).square().sum()


def _standardised(z: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, " d"]]:
    """`standardise` and the inverse of the standard deviation. torch's batch_norm sums a variance
    in float32 without blocks: it is off by 4e-6 for 4,096 samples, this by 2e-7."""
    centred = z - z.mean(dim=0)
    centred -= centred.mean(dim=0)  # again: the first mean was rounded at z's offset
    inverse = ((centred * centred).mean(dim=0) + 1e-5).rsqrt()
    return centred.mul_(inverse), inverse


@torch.no_grad()
def cross_correlation(
    z_a: Float[Tensor, "n d"], z_b: Float[Tensor, "n d"], off_diagonal_weight: float, scale: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """Both terms, and the gradient of scale · (on + off_diagonal_weight · off) at z_a and at z_b,
    which need not be standardised.

    Σ c_ij² = Σ (aaᵀ ∘ bbᵀ)/n² lets it cost the smaller of n²d and nd². The n×n form has to
    subtract the diagonal's squares. What that loses cannot matter: either some diagonal entry is
    far from 1, and weighs more than all that is lost, or the diagonal is near 1 and the rank of c
    keeps the whole sum above d²/n, 4/3 of the diagonal's or more, for the n ≤ ¾ d it is used for.

    A gradient g at a is (g − a · mean(g ∘ a)) / σ at z_a: the mean of g itself is 0, because b is
    centred.
    """
    n, d = z_a.shape
    (a, inverse_a), (b, inverse_b) = _standardised(z_a), _standardised(z_b)
    if 4 * n <= 3 * d:
        diagonal = (a * b).sum(dim=0) / n
        gram_a, gram_b = gram(a), gram(b)
        whole = (gram_a.double() * gram_b.double()).sum() / n**2
        squares = diagonal.double()
        off_diagonal = (whole - (squares * squares).sum()).to(a.dtype)
        rest = (diagonal - 1 - off_diagonal_weight * diagonal) * (2 * scale / n)
        factor = 2 * scale * off_diagonal_weight / n**2
        grad_a = torch.addmm(b * rest, gram_b, a, alpha=factor)
        grad_b = torch.addmm(a * rest, gram_a, b, alpha=factor)
        grad_a.sub_(a * (grad_a * a).mean(dim=0)).mul_(inverse_a)
        grad_b.sub_(b * (grad_b * b).mean(dim=0)).mul_(inverse_b)
    else:
        c = (a.T @ b).div_(n)
        diagonal = c.diagonal().clone()
        c.fill_diagonal_(0)
        squares = c * c
        rows, columns = squares.sum(dim=1), squares.sum(dim=0)
        off_diagonal = rows.sum()
        on_slope, off_slope = (diagonal - 1) * (2 * scale / n), 2 * scale * off_diagonal_weight / n
        slope = (c * off_slope).diagonal_scatter(on_slope)
        on_mean = on_slope * diagonal  # and the rest of mean(g ∘ a): sums over the slope times c
        along_a = -(on_mean + off_slope * rows) * inverse_a
        along_b = -(on_mean + off_slope * columns) * inverse_b
        grad_a = torch.addmm(a * along_a, b, (slope * inverse_a[:, None]).T)
        grad_b = torch.addmm(b * along_b, a, slope * inverse_b)
    return (diagonal - 1).square().sum(), off_diagonal, grad_a, grad_b


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
            a, b = (self.projector(view) for view in views(latents))
            on, off, grad_a, grad_b = cross_correlation(
                a.detach(), b.detach(), self.off_diagonal_weight, self.scale_loss
            )
            value = self.scale_loss * (on + self.off_diagonal_weight * off)
            loss = with_gradient(value, [(a, grad_a), (b, grad_b)])
        return AuxOutput(loss=loss, terms={"on_diagonal": on, "off_diagonal": off})
