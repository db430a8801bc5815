"""SIGReg: sketched isotropic Gaussian regularisation (Balestriero, LeCun, arXiv 2511.08544).

Every projection of N(0, I) onto a unit vector is N(0, 1). So each step draws unit slices a and
measures how far the projected samples x = aᵀz are from N(0, 1), by their empirical characteristic
function (ECF) and the statistic of Epps and Pulley (section 4):

    EP(x) = n ∫ |ECF(t) − e^{−t²/2}|² e^{−t²/2} dt,    ECF(t) = 1/n Σ_j e^{itx_j}
    SIGReg = mean over slices of EP(aᵀz)

Shape legend: n samples, d dimensions, m slices, k knots.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.checks import require_above, require_at_least, require_one_of
from jepa_compare.latents import Latents
from jepa_compare.losses.base import AuxLoss, AuxOutput
from jepa_compare.losses.common import PLACES, flatten, inert_on_views, no_autocast, views
from jepa_compare.losses.fused.autograd import with_gradient
from jepa_compare.losses.fused.sigreg import epps_pulley_with_gradient


def knots_and_weights(knots: int, t_max: float) -> tuple[list[float], list[float], list[float]]:
    """Knots t in [0, t_max], φ(t) = e^{−t²/2}, and φ(t) times the trapezoid's weights, doubled
    because the integrand is even."""
    step = t_max / (knots - 1)
    t = [i * step for i in range(knots)]
    phi = [math.exp(-0.5 * x * x) for x in t]
    ends = [0.5 if i in (0, knots - 1) else 1.0 for i in range(knots)]
    return t, phi, [2 * step * e * p for e, p in zip(ends, phi, strict=True)]


def epps_pulley(x: Float[Tensor, "n m"], knots: int, t_max: float) -> Float[Tensor, " m"]:
    """∫ |ECF(t) − e^{−t²/2}|² e^{−t²/2} dt per slice, by the trapezoid rule; without the paper's
    factor n."""
    t, phi, weights = (x.new_tensor(values) for values in knots_and_weights(knots, t_max))
    angles = x[..., None] * t  # [n m k]
    real, imaginary = angles.cos().mean(dim=0), angles.sin().mean(dim=0)
    return ((real - phi).square() + imaginary.square()) @ weights


def expected_score(n: int, knots: int, t_max: float) -> float:
    """What n samples of N(0, 1) score on average: E|ECF − φ|² = (1 − φ²)/n at each knot."""
    _, phi, weights = knots_and_weights(knots, t_max)
    return sum(w * (1 - p * p) for w, p in zip(weights, phi, strict=True)) / n


class SIGReg(AuxLoss):
    """The statistic of Epps and Pulley against N(0, 1), averaged over random unit slices and views.

    The slices are redrawn at every step. The term `gap` is the score above what n samples of
    N(0, I) get. For two views LeJEPA's λ is the weight 4 n λ/(1 − λ) without the factor n.

    Args:
        dim: latent dimensions, from the model.
        num_slices: how many directions are drawn per step. Authors' README: 1024.
        knots: points of the trapezoid rule on [0, t_max]. Paper: 17.
        t_max: where the integral ends, in units of 1/(standard deviation of the target), which
            is 1. Authors' code: 3.
        scale_by_samples: whether to multiply by n, as LeJEPA does (true) and eb_jepa does not.
            With it a true N(0, I) batch scores about 1.
        on: what the statistic is of: "views" (z_pred and z_target) or "context" (every output of
            the online encoder). LeJEPA: every view.
    """

    directions: Tensor

    def __init__(
        self,
        *,
        dim: int,
        num_slices: int,
        knots: int,
        t_max: float,
        scale_by_samples: bool,
        on: str,
    ) -> None:
        super().__init__()
        require_at_least(1, num_slices=num_slices)
        require_at_least(3, knots=knots)
        require_above(0, t_max=t_max)
        require_one_of("on", on, PLACES)
        self.knots, self.t_max, self.on = knots, t_max, on
        self.scale_by_samples = scale_by_samples
        # Any directions do until `prepare` draws this step's.
        directions = torch.eye(dim).repeat(1, -(-num_slices // dim))[:, :num_slices]
        self.register_buffer("directions", directions.contiguous())

    def inert_terms(self, target: str) -> str | None:
        return inert_on_views(self.on, target)

    def prepare(self, step: int, progress: float, generator: torch.Generator) -> None:
        drawn = torch.randn(self.directions.shape, generator=generator)
        drawn /= drawn.square().sum(dim=0, keepdim=True).sqrt()
        self.directions.copy_(drawn, non_blocking=True)

    def forward(self, latents: Latents) -> AuxOutput:
        with no_autocast(latents.z_pred):
            on_context = self.on == "context"
            tensors = [flatten(latents.z_context)] if on_context else views(latents)
            rule = knots_and_weights(self.knots, self.t_max)
            loss = latents.z_pred.float().new_zeros(())
            gap = loss
            for z in tensors:
                n = z.shape[0]
                scale = (n if self.scale_by_samples else 1) / len(tensors)
                value, grad = epps_pulley_with_gradient(self.directions.T @ z.detach().T, *rule)
                grad = grad.T @ (scale * self.directions.T)
                loss = loss + with_gradient(scale * value, [(z, grad)])
                gap = gap + scale * (value - expected_score(n, self.knots, self.t_max))
        return AuxOutput(loss=loss, terms={"score": loss.detach(), "gap": gap})
