"""VICReg: variance, invariance and covariance (Bardes, Ponce, LeCun, arXiv 2105.04906).

    L = λ s(Z, Z′) + μ [v(Z) + v(Z′)] + ν [c(Z) + c(Z′)]        (equation 6)

Shape legend: n samples, d dimensions.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from jepa_compare.checks import require_at_least, require_one_of
from jepa_compare.latents import Latents
from jepa_compare.losses.base import AuxLoss, AuxOutput
from jepa_compare.losses.common import (
    PLACES,
    build_projector,
    flatten,
    inert_on_views,
    no_autocast,
    views,
)
from jepa_compare.losses.fused.vicreg import vicreg


def variance_term(z: Float[Tensor, "n d"], gamma: float, eps: float) -> Float[Tensor, ""]:
    """Equations 1 and 2: v = mean_j max(0, γ − √(var_j + ε)), unbiased variance."""
    return F.relu(gamma - (z.var(dim=0) + eps).sqrt()).mean()


def covariance_term(z: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Equations 3 and 4: c = Σ_{i≠j} C_ij² / d with C the unbiased covariance."""
    n, d = z.shape
    centred = z - z.mean(dim=0)
    covariance = centred.T @ centred / (n - 1)
    return covariance.fill_diagonal_(0).square().sum() / d


def invariance_term(a: Float[Tensor, "n d"], b: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Equation 5 as the authors' code has it: the squared distance divided by d, too."""
    return F.mse_loss(a, b)


class VICReg(AuxLoss):
    """sim_coeff · s(a, b) + std_coeff · ½ [v(a) + v(b)] + cov_coeff · [c(a) + c(b)].

    In the units of the authors' main_vicreg.py: the variance is averaged over the views a and b,
    the covariance summed.

    With `on="context"` the last two are std_coeff · v(z) + cov_coeff · c(z) of every encoder
    output z, as eb_jepa has it (arXiv 2602.03604). Its covariance is a mean over d(d − 1) entries:
    its coefficient divided by d − 1 is `cov_coeff` here.

    Args:
        dim: latent dimensions, from the model.
        sim_coeff: λ, the weight of the invariance term. Without a projector it repeats the
            prediction term. Paper: 25.
        std_coeff: μ, the weight of the variance term. Paper: 25.
        cov_coeff: ν, the weight of the covariance term. Paper: 1.
        gamma: γ, the standard deviation below which the variance term pushes, in units of the
            latents. Paper: 1.
        eps: ε, added to each variance before the root, in squared units of the latents.
            Paper: 1e-4.
        projector: widths of the expander's layers, [] for none. Paper: [8192, 8192, 8192].
        on: what variance and covariance are of: "views" (z_pred and z_target, the paper) or
            "context" (every output of the online encoder).
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
        require_one_of("on", on, PLACES)
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
            context = None
            if self.on == "context":
                context = self.projector(flatten(latents.z_context))
            loss, terms = vicreg(
                pair,
                context,
                sim_coeff=self.sim_coeff,
                std_coeff=self.std_coeff,
                cov_coeff=self.cov_coeff,
                gamma=self.gamma,
                eps=self.eps,
            )
        return AuxOutput(loss=loss, terms=terms)
