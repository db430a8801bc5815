"""The ridge probe: how linearly a latent holds the position.

Fixed for ever, because the status of collapsed runs depends on it: float64; features centred and
divided by one global standard deviation, that of all values of all features before centring;
(XᵀX/n + 1e-4 I) W = XᵀY/n. So the ridge is relative to the latents' own magnitude, and what
varies far below it counts as lost. (R² of a collapsed encoder, measured: .03, .70 or .89 with
1e-2, 1e-4 or 1e-6; of a healthy one .998, .999, .999.)

Shape legend: n samples, d latent dimensions, p position dimensions.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

RIDGE = 1e-4


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """A fitted affine map from latents to positions."""

    weight: Float[Tensor, "d p"]
    bias: Float[Tensor, " p"]

    def __call__(self, latents: Float[Tensor, "*n d"]) -> Float[Tensor, "*n p"]:
        """Decoded positions, float64."""
        return latents.double() @ self.weight + self.bias


def fit_probe(latents: Float[Tensor, "n d"], positions: Float[Tensor, "n p"]) -> Probe:
    """Ridge regression of positions on latents. Constant latents give the mean position."""
    x, y = latents.double(), positions.double()
    scale = x.std(correction=0).clamp(min=torch.finfo(torch.float64).tiny)
    x_mean, y_mean = x.mean(dim=0), y.mean(dim=0)
    x, y = (x - x_mean) / scale, y - y_mean
    n, d = x.shape
    gram = x.T @ x / n + RIDGE * torch.eye(d, dtype=x.dtype, device=x.device)
    weight = torch.linalg.solve(gram, x.T @ y / n) / scale
    return Probe(weight=weight, bias=y_mean - x_mean @ weight)


def rmse(predicted: Float[Tensor, "*n p"], positions: Float[Tensor, "*n p"]) -> Float[Tensor, ""]:
    """Root mean squared Euclidean distance, in the unit of the positions."""
    return (predicted - positions).square().sum(dim=-1).mean().sqrt()


def r2(predicted: Float[Tensor, "n p"], positions: Float[Tensor, "n p"]) -> Float[Tensor, ""]:
    """1 - residual / total sum of squares, both over samples and coordinates."""
    y = positions.double()
    total = (y - y.mean(dim=0)).square().sum()
    return 1 - (predicted - y).square().sum() / total
