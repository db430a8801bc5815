"""VICReg: variance, invariance and covariance (Bardes, Ponce, LeCun, arXiv 2105.04906).

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
    inert_on_views,
    no_autocast,
    regularised,
    require_at_least,
    require_on,
    views,
    with_gradient,
)


def variance_term(z: Float[Tensor, "n d"], gamma: float, eps: float) -> Float[Tensor, ""]:
    """Equation 1: mean_j max(0, γ − √(var_j + ε)), unbiased variance."""
    return F.relu(gamma - (z.var(dim=0) + eps).sqrt()).mean()


def covariance_term(z: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Equations 3 and 4: Σ_{i≠j} C_ij² / d with C the unbiased covariance. The textbook form."""
    n, d = z.shape
    centred = z - z.mean(dim=0)
    covariance = centred.T @ centred / (n - 1)
    return covariance.fill_diagonal_(0).square().sum() / d


@torch.no_grad()
def variance_and_covariance(
    z: Float[Tensor, "n d"], gamma: float, eps: float, std_coeff: float, cov_coeff: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, "n d"]]:
    """Both terms, and the gradient of std_coeff · variance + cov_coeff · covariance.

    ‖ZᵀZ‖² = ‖ZZᵀ‖² lets the covariance term cost the smaller of n²d and nd².
    """
    n, d = z.shape
    centred = z - z.mean(dim=0)
    centred -= centred.mean(dim=0)  # again: the first mean was rounded at z's offset
    form = _by_samples if 4 * n <= 3 * d else _by_features
    return form(centred, gamma, eps, std_coeff, cov_coeff)


def _by_features(
    centred: Float[Tensor, "n d"], gamma: float, eps: float, std_coeff: float, cov_coeff: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, "n d"]]:
    """From the d×d covariance. Its diagonal is zeroed: subtracting its square from the whole is
    off by a factor of two for nearly decorrelated features."""
    n, d = centred.shape
    var = (centred * centred).sum(dim=0) / (n - 1)
    std = (var + eps).sqrt()
    cov = (centred.T @ centred / (n - 1)).fill_diagonal_(0)
    covariance = (cov * cov).sum() / d
    pull = centred * _variance_slope(std, gamma, std_coeff / (d * (n - 1)))
    grad = torch.addmm(pull, centred, cov, alpha=4 * cov_coeff / (d * (n - 1)))
    return F.relu(gamma - std).mean(), covariance, grad


def _by_samples(
    centred: Float[Tensor, "n d"], gamma: float, eps: float, std_coeff: float, cov_coeff: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, "n d"]]:
    """From the n×n Gram matrix, whose ‖·‖² holds the diagonal of the covariance as well.

    Subtracting that is safe among features that cannot all be decorrelated. At most n − 1 can, so
    the n features of largest variance are treated in float64, as sums and as columns of the
    gradient: of n vectors in n − 1 dimensions some correlate by at least the smallest variance
    among them, and no other feature has a larger one.
    """
    n, d = centred.shape
    squares = (centred * centred).sum(dim=0)
    chosen = squares.topk(n, sorted=False).indices
    places = chosen.expand(n, n)
    top = centred.gather(1, places).double()
    top_squares = (top * top).sum(dim=0)
    top_gram = gram(top)
    rest_gram = gram(centred.scatter(1, places, 0.0)).double()
    rest_squares = squares.scatter(0, chosen, 0.0).double()

    energy = (top_gram * top_gram).sum() - (top_squares * top_squares).sum()
    energy += ((2 * top_gram + rest_gram) * rest_gram).sum() - (rest_squares * rest_squares).sum()
    covariance = (energy / (d * (n - 1) ** 2)).to(centred.dtype)

    scale = 4 * cov_coeff / (d * (n - 1) ** 2)
    whole = (top_gram + rest_gram) * scale

    def gradient(z: Tensor, squares: Tensor) -> Tensor:
        std = (squares / (n - 1) + eps).sqrt()
        slope = _variance_slope(std, gamma, std_coeff / (d * (n - 1)))
        return torch.addmm(z * (slope - scale * squares), whole.to(z.dtype), z)

    grad = gradient(centred, squares)
    grad = grad.scatter(1, places, gradient(top, top_squares).to(grad.dtype))
    std = (squares / (n - 1) + eps).sqrt()
    return F.relu(gamma - std).mean(), covariance, grad


def _variance_slope(std: Float[Tensor, " d"], gamma: float, scale: float) -> Float[Tensor, " d"]:
    """What the centred features are multiplied by in the gradient of the variance term."""
    return (std < gamma).to(std.dtype).div_(std).mul_(-scale)


class VICReg(AuxLoss):
    """sim · MSE(a, b) + std · ½[v(a) + v(b)] + cov · [c(a) + c(b)], in the authors' units
    (their main_vicreg.py: the variance is averaged over the views, the covariance summed).

    With `on="context"`, std · v(z) + cov · c(z) of every encoder output z instead, as eb_jepa has
    it (arXiv 2602.03604). Its covariance is a mean over d(d − 1) entries: its coefficient divided
    by d − 1 is `cov_coeff` here.

    `sim_coeff` repeats the prediction term where there is no projector. `projector` widths: []
    for none. `gamma` is the target standard deviation.
    """

    def __init__(
        self,
        *,
        dim: int,
        sim_coeff: float,
        std_coeff: float,
        cov_coeff: float,
        gamma: float,
        eps: float,
        projector: list[int],
        on: str,
    ) -> None:
        super().__init__()
        require_at_least(0, sim_coeff=sim_coeff, std_coeff=std_coeff, cov_coeff=cov_coeff)
        require_at_least(0, gamma=gamma)
        require_at_least(1e-12, eps=eps)
        require_on(on)
        self.sim_coeff, self.std_coeff, self.cov_coeff = sim_coeff, std_coeff, cov_coeff
        self.gamma, self.eps, self.on = gamma, eps, on
        self.projector = build_projector(dim, projector)
        # The similarity is measured where it costs nothing or is a part of the loss.
        self.compares = on == "views" or sim_coeff > 0 or not projector

    def inert_terms(self, target: str) -> str | None:
        return inert_on_views(self.on, target)

    def forward(self, latents: Latents) -> AuxOutput:
        with no_autocast(latents.z_pred):
            pair = [self.projector(view) for view in views(latents)] if self.compares else []
            tensors = pair
            if self.on == "context":
                tensors = [self.projector(z) for z in regularised(latents, self.on)]
            share = 1 / len(tensors)
            value = tensors[0].new_zeros(())
            terms: dict[str, Tensor] = {}
            difference = value
            if pair:
                difference = pair[0].detach() - pair[1].detach()
                terms["similarity"] = (difference * difference).mean()
                value = self.sim_coeff * terms["similarity"]
            variance, covariance = torch.zeros_like(value), torch.zeros_like(value)
            made = []
            for z in tensors:
                v, c, grad = variance_and_covariance(
                    z.detach(), self.gamma, self.eps, self.std_coeff * share, self.cov_coeff
                )
                made.append((z, grad))
                variance, covariance = variance + share * v, covariance + c
            value = value + self.std_coeff * variance + self.cov_coeff * covariance
            if self.sim_coeff:
                if self.on == "context":
                    made += [(view, torch.zeros_like(view)) for view in pair]
                slope = 2 * self.sim_coeff / difference.numel()
                made[-2][1].add_(difference, alpha=slope)
                made[-1][1].sub_(difference, alpha=slope)
            loss = with_gradient(value, made)
        return AuxOutput(loss=loss, terms={**terms, "variance": variance, "covariance": covariance})
