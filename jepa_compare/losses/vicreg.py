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
    z: Float[Tensor, "n d"], gamma: float, eps: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """Both terms and the gradient of each, from one pass over the data.

    ‖ZᵀZ‖² = ‖ZZᵀ‖² lets the covariance term cost the smaller of n²d and nd². In the d×d form the
    diagonal is zeroed: subtracting its square is off by a factor of two for nearly decorrelated
    features. In the n×n form it has to be subtracted; that form is used for n ≤ d/2 only, where
    the rank of C alone keeps ‖C‖² above twice the square of its diagonal.
    """
    n, d = z.shape
    centred = z - z.mean(dim=0)
    centred = centred - centred.mean(dim=0)  # again: the first mean was rounded at z's offset
    var = centred.square().sum(dim=0) / (n - 1)
    std = (var + eps).sqrt()
    variance = F.relu(gamma - std).mean()
    variance_grad = centred * (-(std < gamma).to(z.dtype) / (std * (d * (n - 1))))
    if 2 * n <= d:
        gram = centred @ centred.T / (n - 1)
        covariance = (gram.square().sum() - var.square().sum()) / d
        pulled = gram @ centred - centred * var
    else:
        cov = (centred.T @ centred / (n - 1)).fill_diagonal_(0)
        covariance = cov.square().sum() / d
        pulled = centred @ cov
    return variance, covariance, variance_grad, pulled * (4 / (d * (n - 1)))


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

    def inert_terms(self, target: str) -> str | None:
        return inert_on_views(self.on, target)

    def forward(self, latents: Latents) -> AuxOutput:
        with no_autocast(latents.z_pred):
            similarity = F.mse_loss(*(self.projector(view) for view in views(latents)))
            tensors = [self.projector(z) for z in regularised(latents, self.on)]
            share = 1 / len(tensors)
            loss = self.sim_coeff * similarity
            variance, covariance = torch.zeros_like(loss), torch.zeros_like(loss)
            for z in tensors:
                v, c, v_grad, c_grad = variance_and_covariance(z.detach(), self.gamma, self.eps)
                value = self.std_coeff * share * v + self.cov_coeff * c
                grad = v_grad.mul_(self.std_coeff * share).add_(c_grad, alpha=self.cov_coeff)
                loss = loss + with_gradient(value, [(z, grad)])
                variance, covariance = variance + share * v, covariance + c
        terms = {"similarity": similarity, "variance": variance, "covariance": covariance}
        return AuxOutput(loss=loss, terms={key: value.detach() for key, value in terms.items()})
