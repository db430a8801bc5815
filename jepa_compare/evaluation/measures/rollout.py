"""How far predicted latents are from the encoded ones, k steps ahead.

Shape legend: b trajectories, t frames, k rollout steps, d latent dimensions, p position dimensions.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.evaluation.measures.base import Measure
from jepa_compare.evaluation.measures.context import EvaluationContext
from jepa_compare.evaluation.measures.probe import Probe, fitted_probe, rmse


def relative_error(
    predicted: Float[Tensor, "b d"], target: Float[Tensor, "b d"], start: Float[Tensor, "b d"]
) -> Float[Tensor, ""]:
    """Mean squared error over that of copying the first latent: a ratio of means.

    1 is no better than predicting that nothing happens. A diagnostic only: it is not comparable
    between losses, and some reward collapse. NaN for an encoder that is exactly constant.
    """
    copied = (start - target).double().square().mean()
    return (predicted - target).double().square().mean() / copied


def rollout_errors(
    latents: Float[Tensor, "b t d"],
    predicted: Float[Tensor, "b k d"],
    positions: Float[Tensor, "b t p"],
    probe: Probe,
    steps: list[int],
) -> dict[str, Float[Tensor, ""]]:
    """`rollout_relative_<k>`, and `rollout_rmse_<k>`: the prediction decoded to a position, in
    the positions' unit, for every k of `steps`. `predicted` starts at frame 1."""
    errors: dict[str, Tensor] = {}
    for k in steps:
        z = predicted[:, k - 1]
        errors[f"rollout_relative_{k}"] = relative_error(z, latents[:, k], latents[:, 0])
        errors[f"rollout_rmse_{k}"] = rmse(probe(z), positions[:, k])
    return errors


class RolloutMeasure(Measure):
    """Errors of rollouts from the first frame of every held-out trajectory."""

    needs = frozenset({"labels"})
    cadence = "interval"

    def measure(self, context: EvaluationContext) -> Mapping[str, Tensor]:
        steps, sets = context.settings.rollout_steps, context.held_out.sets
        z, p = torch.cat(context.latents), torch.cat(context.positions)
        actions = [batch.actions for batch in sets if batch.actions is not None]
        along = torch.cat(actions)[:, : max(steps)] if actions else None
        predicted = context.model.rollout(z[:, 0], along, max(steps))
        errors = rollout_errors(z, predicted, p, context.once(fitted_probe), steps)
        return {f"eval/{name}": value for name, value in errors.items()}
