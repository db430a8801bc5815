"""Random numbers of given laws from uniform ones, so that one draw costs one uniform number."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def truncated_normal(
    u: Float[Tensor, "*n"], *, mean: float, std: float, low: float, high: float
) -> Float[Tensor, "*n"]:
    """N(mean, std²) conditioned on [low, high], from `u` uniform in [0, 1)."""
    below, above = (0.5 * (1 + math.erf((x - mean) / (std * 2**0.5))) for x in (low, high))
    return (mean + std * torch.special.ndtri(below + u * (above - below))).clamp(low, high)


class VonMises:
    """The von Mises law about 0 with one concentration κ: density ∝ exp(κ cos x) on [-π, π].

    Its inverse distribution function has no closed form; this is the linear interpolation of a
    table whose cells are 2π / 4096 wide.
    """

    def __init__(self, concentration: float) -> None:
        edges = torch.linspace(-math.pi, math.pi, 4097, dtype=torch.float64)
        density = (concentration * (edges.cos() - 1)).exp()
        cdf = torch.cat([density.new_zeros(1), (density[1:] + density[:-1]).cumsum(0)])
        self.cdf = (cdf / cdf[-1]).float()
        self.edges = edges.float()

    def from_uniform(self, u: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """Angles [rad] from `u` uniform in [0, 1)."""
        cell = torch.bucketize(u, self.cdf[1:-1], right=True)
        low, high = self.cdf[cell], self.cdf[cell + 1]
        width = self.edges[1] - self.edges[0]
        return self.edges[cell] + width * (u - low) / (high - low)
