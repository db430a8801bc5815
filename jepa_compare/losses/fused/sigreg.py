"""The Epps–Pulley statistic in O(n·m) memory, with the gradient.

Shape legend: n samples, m slices, k knots, g slices of a group.
"""

import torch
from jaxtyping import Float
from torch import Tensor

# The waves of one group of slices, in bytes: on a CPU they stay in its cache, on a GPU each kernel
# has enough to do.
_GROUP_BYTES = {"cpu": 2**21}
_GROUP_BYTES_ELSEWHERE = 2**25


@torch.no_grad()
def epps_pulley_with_gradient(
    x: Float[Tensor, "m n"], knots: list[float], phi: list[float], weights: list[float]
) -> tuple[Float[Tensor, ""], Float[Tensor, "m n"]]:
    """The mean over slices of Σ_k weights_k |ECF(knots_k) − phi_k|², and its gradient.

    `x` has a slice in each row. The knots are those of `sigreg.knots_and_weights`: equally spaced
    from 0, so e^{i t_k x} is a power of e^{i t_1 x}: one sine and one cosine per element serve all.
    The waves of all knots exist for one group of slices at a time: their means are the empirical
    characteristic function, and weighted sums of them the gradient.
    """
    m, n = x.shape
    step, count = knots[1], len(knots) - 1  # at t = 0 every characteristic function is 1
    t, target, weight = (x.new_tensor(values[1:]) for values in (knots, phi, weights))
    budget = _GROUP_BYTES.get(x.device.type, _GROUP_BYTES_ELSEWHERE)
    group = max(1, budget // (2 * x.element_size() * count * n))
    slopes = 2 * t * weight / (n * m)  # of |gap|² at the waves
    value, gradients = x.new_zeros(()), []
    for slices in x.split(group):
        real, imaginary = _waves(slices, step, count)  # [g k n] each
        real_gap, imaginary_gap = real.mean(dim=-1) - target, imaginary.mean(dim=-1)  # [g k]
        value = value + ((real_gap.square() + imaginary_gap.square()) @ weight).sum()
        # d/dx of |gap|² is 2 t/n · Im(gap · conj(e^{itx})).
        plus = torch.bmm((imaginary_gap * slopes)[:, None], real)
        minus = torch.bmm((real_gap * slopes)[:, None], imaginary)
        gradients.append((plus - minus)[:, 0])
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
