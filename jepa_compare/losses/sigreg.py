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


# The waves of one group of slices, in bytes: on a CPU they stay in its cache, on a GPU each kernel
# has enough to do.
_GROUP_BYTES = {"cpu": 2**21}
_GROUP_BYTES_ELSEWHERE = 2**25


@torch.no_grad()
def epps_pulley_with_gradient(
    x: Float[Tensor, "m n"], knots: int, t_max: float
) -> tuple[Float[Tensor, ""], Float[Tensor, "m n"]]:
    """The mean of `epps_pulley` over slices, and its gradient, in O(n·m) memory; `x` has a slice
    in each row.

    The knots are equally spaced, so e^{i t_k x} is a power of e^{i t_1 x}: one sine and one cosine
    per element serve all knots. The waves of all knots exist for one group of slices at a time:
    their means are the empirical characteristic function, and weighted sums of them the gradient.
    """
    m, n = x.shape
    t, phi, weights = (x.new_tensor(v[1:]) for v in knots_and_weights(knots, t_max))
    # At t = 0 every characteristic function is 1.
    budget = _GROUP_BYTES.get(x.device.type, _GROUP_BYTES_ELSEWHERE)
    group = max(1, budget // (2 * x.element_size() * (knots - 1) * n))
    slopes = 2 * t * weights / (n * m)  # of |gap|² at the waves
    value, gradients = x.new_zeros(()), []
    for slices in x.split(group):
        real, imaginary = _waves(slices, t_max / (knots - 1), knots - 1)  # [g k n] each
        real_gap, imaginary_gap = real.mean(dim=-1) - phi, imaginary.mean(dim=-1)  # [g k]
        value = value + ((real_gap.square() + imaginary_gap.square()) @ weights).sum()
        # d/dx of |gap|² is 2 t/n · Im(gap · conj(e^{itx})).
        pull = torch.bmm((imaginary_gap * slopes)[:, None], real)
        push = torch.bmm((real_gap * slopes)[:, None], imaginary)
        gradients.append((pull - push)[:, 0])
    return value / m, torch.cat(gradients)


def _waves(
    x: Float[Tensor, "g n"], step: float, count: int
) -> tuple[Float[Tensor, "g k n"], Float[Tensor, "g k n"]]:
    """cos and sin of step·x, 2·step·x, … count·step·x. Each round turns all there are by the last,
    so rounding errors grow with the logarithm of their number."""
    angle = step * x[:, None]
    real, imaginary = angle.cos(), angle.sin()
    while (have := real.shape[1]) < count:
        a, b = real[:, : count - have], imaginary[:, : count - have]
        c, d = real[:, -1:], imaginary[:, -1:]
        turned = torch.addcmul(a * c, b, d, value=-1), torch.addcmul(a * d, b, c)
        real, imaginary = torch.cat([real, turned[0]], 1), torch.cat([imaginary, turned[1]], 1)
    return real, imaginary


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
                    self.directions.T @ z.detach().T, self.knots, self.t_max
                )
                grad = grad.T @ (scale * self.directions.T)
                loss = loss + with_gradient(scale * value, [(z, grad)])
                gap = gap + scale * (value - expected_score(n, self.knots, self.t_max))
        return AuxOutput(loss=loss, terms={"score": loss.detach(), "gap": gap})
