"""SIGReg: sketched isotropic Gaussian regularisation (Balestriero, LeCun, arXiv 2511.08544).

Shape legend: n samples, d dimensions, m slices, k knots.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.latents import Latents
from jepa_compare.losses.base import AuxLoss, AuxOutput
from jepa_compare.losses.common import (
    inert_on_views,
    no_autocast,
    regularised,
    require,
    require_at_least,
    require_on,
    with_gradient,
)


def knots_and_weights(knots: int, t_max: float) -> tuple[list[float], list[float], list[float]]:
    """Knots t in [0, t_max], φ(t) = e^{−t²/2}, and φ(t) times the trapezoid's weights, doubled
    because the integrand is even."""
    step = t_max / (knots - 1)
    t = [i * step for i in range(knots)]
    phi = [math.exp(-0.5 * x * x) for x in t]
    ends = [0.5 if i in (0, knots - 1) else 1.0 for i in range(knots)]
    return t, phi, [2 * step * e * p for e, p in zip(ends, phi, strict=True)]


def epps_pulley(x: Float[Tensor, "n m"], knots: int, t_max: float) -> Float[Tensor, " m"]:
    """∫ |ECF(t) − e^{−t²/2}|² e^{−t²/2} dt per slice, by the trapezoid rule. The textbook form,
    without the paper's factor n."""
    t, phi, weights = (x.new_tensor(values) for values in knots_and_weights(knots, t_max))
    angles = x[..., None] * t  # [n m k]
    real, imaginary = angles.cos().mean(dim=0), angles.sin().mean(dim=0)
    return ((real - phi).square() + imaginary.square()) @ weights


@torch.no_grad()
def epps_pulley_with_gradient(
    x: Float[Tensor, "n m"], knots: int, t_max: float
) -> tuple[Float[Tensor, ""], Float[Tensor, "n m"]]:
    """The mean of `epps_pulley` over slices, and its gradient, in O(n·m) memory.

    The knots are equally spaced, so e^{i t_k x} is a power of e^{i t_1 x}: one sine and one cosine
    per element serve all knots. A first pass sums the empirical characteristic function, a second
    one its gradient.
    """
    n, m = x.shape
    t, phi, weights = knots_and_weights(knots, t_max)
    turn = torch.polar(torch.ones_like(x), x * t[1])
    power = turn.clone()
    gaps, value = [], x.new_zeros(())
    for k in range(1, knots):  # at t = 0 every characteristic function is 1
        gap = power.mean(dim=0) - phi[k]  # [m], complex
        gaps.append(gap)
        value = value + weights[k] * torch.view_as_real(gap).square().sum()
        if k + 1 < knots:
            power *= turn
    # d/dx of |gap|² is 2 t/n · Im(gap · conj(e^{itx})): Horner's rule over the powers of conj(e).
    turn = turn.conj_physical()
    total = torch.zeros_like(turn)
    for k in range(knots - 1, 0, -1):
        total = (total + 2 * t[k] * weights[k] / n * gaps[k - 1]) * turn
    return value / m, total.imag / m


def expected_score(n: int, knots: int, t_max: float) -> float:
    """What n samples of N(0, 1) score on average: E|ECF − φ|² = (1 − φ²)/n at each knot."""
    _, phi, weights = knots_and_weights(knots, t_max)
    return sum(w * (1 - p * p) for w, p in zip(weights, phi, strict=True)) / n


class SIGReg(AuxLoss):
    """The Epps–Pulley statistic against N(0, 1), averaged over random unit slices and views.

    `num_slices` directions are redrawn at every step; the integral has `knots` knots on
    [0, t_max]. `scale_by_samples` multiplies by n, as LeJEPA does and eb_jepa does not: then a
    true N(0, I) batch scores about 1. The term `gap` is the score above what n samples of
    N(0, I) get. For two views LeJEPA's λ is weight · (1 − λ)/λ = 4 n without the factor.
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
        require(t_max > 0, "t_max", t_max, "above 0")
        require_on(on)
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
            tensors = regularised(latents, self.on)
            loss = latents.z_pred.float().new_zeros(())
            gap = loss
            for z in tensors:
                n = z.shape[0]
                scale = (n if self.scale_by_samples else 1) / len(tensors)
                value, grad = epps_pulley_with_gradient(
                    z.detach() @ self.directions, self.knots, self.t_max
                )
                grad = scale * (grad @ self.directions.T)
                loss = loss + with_gradient(scale * value, [(z, grad)])
                gap = gap + scale * (value - expected_score(n, self.knots, self.t_max))
        return AuxOutput(loss=loss, terms={"score": loss.detach(), "gap": gap})
