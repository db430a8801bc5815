"""The ridge probe: how linearly a latent holds the position.

Fixed for ever, because the status of collapsed runs depends on it: float64; features centred and
divided by one global standard deviation, that of all values of all features before centring;
(XᵀX/n + 1e-4 I) W = XᵀY/n. So the ridge is relative to the latents' own magnitude, and what
varies far below it counts as lost. (R² of a collapsed encoder, measured: .03, .70 or .89 with
1e-2, 1e-4 or 1e-6; of a healthy one .998, .999, .999.)

Shape legend: b trajectories, t frames, n samples, d latent dimensions, p position dimensions.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.evaluation.measures.base import Measure
from jepa_compare.evaluation.measures.context import EvaluationContext
from jepa_compare.metrics import PROBE_SET

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


def fitted_probe(context: EvaluationContext) -> Probe:
    """The probe of the context's model, fitted on the trajectories that are kept for it."""
    return fit_probe(context.fit_latents.flatten(0, 1), context.fit_positions.flatten(0, 1))


class ProbeMeasure(Measure):
    """R² on every held-out set, which a run's status rests on; R² and RMSE on all of them."""

    needs = frozenset({"labels"})
    cadence = "interval"

    def measure(self, context: EvaluationContext) -> Mapping[str, Tensor]:
        probe = context.once(fitted_probe)
        metrics: dict[str, Tensor] = {}
        sets = zip(context.latents, context.positions, strict=True)
        for number, (z, p) in enumerate(sets, start=1):
            metrics[f"{PROBE_SET}{number}"] = r2(probe(z).flatten(0, 1), p.flatten(0, 1))
        z, p = torch.cat(context.latents), torch.cat(context.positions)
        metrics["eval/probe_r2"] = r2(probe(z).flatten(0, 1), p.flatten(0, 1))
        metrics["eval/probe_rmse"] = rmse(probe(z), p)
        return metrics
