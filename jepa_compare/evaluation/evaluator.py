"""Everything that is measured of a model, at the end of a run, at intervals and afterwards.

Shape legend: b trajectories, t frames, n samples, d latent dimensions, p position dimensions.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data.base import Source
from jepa_compare.evaluation.alarm import collapse_alarms
from jepa_compare.evaluation.held_out import (
    HeldOut,
    encode_batch,
    sample_held_out,
)
from jepa_compare.evaluation.measures.probe import fit_probe, r2, rmse
from jepa_compare.evaluation.measures.rollout import relative_error, rollout_errors
from jepa_compare.evaluation.measures.spectrum import run_status, spectrum_metrics
from jepa_compare.evaluation.planning.dynamics import LatentDynamics
from jepa_compare.evaluation.planning.episodes import Outcome, named_metrics, play_tasks, task_rows
from jepa_compare.evaluation.planning.reference import planner_policy
from jepa_compare.evaluation.world_model import WorldModel, evaluating
from jepa_compare.runs import layout

_PROBE_SET = "eval/probe_r2_set_"


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """One evaluation of one model."""

    metrics: dict[str, float | None]
    """Under "eval/..."; None where there is nothing to average."""
    tasks: dict[str, Any]
    """Per kind, per-task rows."""
    episodes: dict[str, Any]
    """Per kind, the paths of the first tasks."""
    spectrum: list[float]
    """Singular values of the centred latents divided by the largest."""
    seconds: float

    def to_json(self, settings: EvaluationSettings, step: int) -> dict[str, Any]:
        """The content of evaluations/<hash>.json after training step `step`."""
        return {
            "schema_version": layout.SCHEMA_VERSION,
            "settings": asdict(settings),
            "step": step,
            "metrics": self.metrics,
            "tasks": self.tasks,
            "episodes": self.episodes,
            "spectrum": self.spectrum,
            "seconds": self.seconds,
        }


class Evaluator:
    """Evaluates models on one source. Its data are drawn once, when first needed."""

    def __init__(self, source: Source, settings: EvaluationSettings, device: torch.device) -> None:
        self.source, self.settings, self.device = source, settings, device
        self._spreads: list[tuple[int, float]] = []

    @cached_property
    def held_out(self) -> HeldOut:
        """The trajectories that training never sees."""
        return sample_held_out(self.source, self.settings, self.device)

    def collapse(self, model: WorldModel) -> dict[str, float]:
        """Spread and spectrum alone: cheap enough for every few steps; one synchronisation."""
        with evaluating(model):
            metrics, _ = self._collapse(model)
        return _read(metrics)

    def quick(self, model: WorldModel) -> dict[str, float]:
        """`collapse`, probe and rollouts; no planning."""
        with evaluating(model):
            metrics, _ = self._measure(model)
        return _read(metrics)

    def evaluate(self, model: WorldModel) -> Evaluation:
        """Everything, planning included. Raises ValueError if a kind of task cannot be drawn."""
        started = time.perf_counter()
        with evaluating(model):
            metrics, spectrum = self._measure(model)
            outcomes = self._plan(model)
        shown = self.settings.figures.episodes
        return Evaluation(
            metrics={**_read(metrics), **named_metrics(outcomes)},
            tasks=task_rows(outcomes),
            episodes={kind: o.episodes(shown) for kind, o in outcomes.items()},
            spectrum=spectrum.tolist(),
            seconds=time.perf_counter() - started,
        )

    def collapse_warning(self, row: Mapping[str, Any]) -> str | None:
        """One sentence if the spread in this row, after those before it, says that the run
        collapses, else None. Rows come in order, each once."""
        self.recall([row])
        alarms = collapse_alarms(self._spreads)
        return alarms[-1].message if alarms and alarms[-1].step == row["step"] else None

    def recall(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take note of the rows that a resumed run logged before it was cut."""
        self._spreads += [
            (row["step"], float(row["eval/spread"])) for row in rows if "eval/spread" in row
        ]

    def _collapse(self, model: WorldModel) -> tuple[dict[str, Tensor], Float[Tensor, " d"]]:
        obs = self.held_out.sets[0].obs[: self.settings.collapse_trajectories]
        metrics, spectrum = spectrum_metrics(encode_batch(model, obs))
        return {f"eval/{name}": value for name, value in metrics.items()}, spectrum

    def _plan(self, model: WorldModel) -> dict[str, Outcome]:
        suite = self.source.task_suite
        if suite is None:
            return {}
        dynamics = LatentDynamics(model=model, environment=suite.environment)
        policy = planner_policy(dynamics, suite.environment.action_dim, self.settings)
        return play_tasks(suite, policy, self.settings, self.device)

    def _measure(self, model: WorldModel) -> tuple[dict[str, Tensor], Float[Tensor, " d"]]:
        metrics, spectrum = self._collapse(model)
        fit, sets = self.held_out.fit, self.held_out.sets
        latents = [encode_batch(model, batch.obs) for batch in sets]  # sets × [b t d]
        z = torch.cat(latents)
        steps = self.settings.rollout_steps
        actions = [batch.actions for batch in sets if batch.actions is not None]
        along = torch.cat(actions)[:, : max(steps)] if actions else None
        predicted = model.rollout(z[:, 0], along, max(steps))
        label = next((c.name for c in self.source.columns if c.kind == "continuous"), None)
        if label is None:
            return metrics | {
                f"eval/rollout_relative_{k}": relative_error(predicted[:, k - 1], z[:, k], z[:, 0])
                for k in steps
            }, spectrum

        probe = fit_probe(
            encode_batch(model, fit.obs).flatten(0, 1), fit.labels[label].flatten(0, 1)
        )
        truth = [batch.labels[label] for batch in sets]  # sets × [b t p]
        for number, (z, p) in enumerate(zip(latents, truth, strict=True), start=1):
            metrics[f"{_PROBE_SET}{number}"] = r2(probe(z).flatten(0, 1), p.flatten(0, 1))
        z, p = torch.cat(latents), torch.cat(truth)
        metrics["eval/probe_r2"] = r2(probe(z).flatten(0, 1), p.flatten(0, 1))
        metrics["eval/probe_rmse"] = rmse(probe(z), p)
        errors = rollout_errors(z, predicted, p, probe, steps)
        return metrics | {f"eval/{name}": value for name, value in errors.items()}, spectrum


def status_of(
    metrics: Mapping[str, float | None], untrained: Mapping[str, float | None]
) -> layout.Status:
    """The status of a finished run, given its own metrics and those of its untrained encoder."""
    sets = [name for name in metrics if name.startswith(_PROBE_SET)]
    return run_status(
        _number(metrics["eval/spread"]),
        [_number(metrics[name]) for name in sets],
        [_number(untrained[name]) for name in sets],
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _read(metrics: Mapping[str, Tensor]) -> dict[str, float]:
    """All metrics in one copy from the device."""
    return dict(zip(metrics, torch.stack(list(metrics.values())).tolist(), strict=True))
