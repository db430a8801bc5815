"""Everything that is measured of a model, at the end of a run, at intervals and afterwards."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from jepa_compare.build import construct
from jepa_compare.checks import ConfigError, did_you_mean
from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data.base import Source
from jepa_compare.evaluation.alarm import collapse_alarms
from jepa_compare.evaluation.held_out import HeldOut, sample_held_out
from jepa_compare.evaluation.measures.base import CADENCES, Cadence, Measure
from jepa_compare.evaluation.measures.context import EvaluationContext
from jepa_compare.evaluation.world_model import WorldModel, evaluating
from jepa_compare.metrics import (
    PREFIX,
    SHIPPED_KINDS,
    SPREAD,
    Metric,
    describe,
    described,
    is_built_in,
)
from jepa_compare.runs.evaluation_records import Episode
from jepa_compare.system.progress import noted
from jepa_compare.system.stall import progressed


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """One evaluation of one model."""

    metrics: dict[str, float | None]
    """Under "eval/..."; None where there is nothing to average."""
    descriptions: dict[str, Metric]
    """Of every metric, by key."""
    primary_metric: str
    """Key of the one that decides on this source."""
    seconds: float
    tasks: dict[str, Any] = field(default_factory=dict)
    """Per kind, per-task rows."""
    episodes: dict[str, list[Episode]] = field(default_factory=dict)
    """Per kind, the paths of the first tasks."""
    spectrum: list[float] = field(default_factory=list)
    """Singular values of the centred latents divided by the largest."""


class Evaluator:
    """Evaluates models on one source. Its data are drawn once, when first needed."""

    def __init__(self, source: Source, settings: EvaluationSettings, device: torch.device) -> None:
        self.source, self.settings, self.device = source, settings, device
        self.measures = build_measures(settings)
        self._spreads: list[tuple[int, float]] = []

    @cached_property
    def held_out(self) -> HeldOut:
        """The trajectories that training never sees."""
        return sample_held_out(self.source, self.settings, self.device)

    def with_tasks(self, most: int) -> "Evaluator":
        """One that plans for at most so many tasks of each kind, on the same trajectories."""
        planning = self.settings.planning
        planning = replace(planning, tasks=min(planning.tasks, most))
        other = Evaluator(self.source, replace(self.settings, planning=planning), self.device)
        other.held_out = self.held_out
        return other

    @property
    def label_dim(self) -> int | None:
        """Numbers per frame of the label that the probe reads; None where there is none."""
        column = next((c for c in self.source.columns if c.kind == "continuous"), None)
        return self.held_out.fit.labels[column.name].shape[-1] if column else None

    def collapse(self, model: WorldModel) -> dict[str, float]:
        """What is cheap enough for every few steps; one synchronisation."""
        return self._interim(model, "collapse_interval")

    def quick(self, model: WorldModel) -> dict[str, float]:
        """`collapse`, and what is measured every `interval` steps; no planning."""
        return self._interim(model, "interval")

    def evaluate(self, model: WorldModel) -> Evaluation:
        """Everything, planning included. Raises ValueError if a kind of task cannot be drawn."""
        started = time.perf_counter()
        context = self._context(model)
        details: dict[str, Any] = {}
        with evaluating(model):
            metrics, descriptions = self._measure(context, "end")
            for _, measure in self._measures(context, "end"):
                for part, content in measure.details(context).items():
                    merged = isinstance(content, dict) and part in details
                    details[part] = {**details[part], **content} if merged else content
        return Evaluation(
            metrics=metrics,
            descriptions=descriptions,
            primary_metric=self.source.primary_metric,
            seconds=time.perf_counter() - started,
            **details,
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
            (row["step"], float(row[SPREAD])) for row in rows if row.get(SPREAD) is not None
        ]

    def _interim(self, model: WorldModel, at: Cadence) -> dict[str, float]:
        with evaluating(model):
            metrics, _ = self._measure(self._context(model), at)
        return {key: value for key, value in metrics.items() if value is not None}

    def _context(self, model: WorldModel) -> EvaluationContext:
        return EvaluationContext(model, self.source, self.settings, self.held_out, self.device)

    def _measures(self, context: EvaluationContext, at: Cadence) -> Iterator[tuple[str, Measure]]:
        """Those whose turn it is and for which the source has what they need."""
        due = CADENCES[: CADENCES.index(at) + 1]
        for name, measure in self.measures.items():
            if measure.cadence in due and measure.needs <= context.offers:
                yield name, measure

    def _measure(
        self, context: EvaluationContext, at: Cadence
    ) -> tuple[dict[str, float | None], dict[str, Metric]]:
        """All that is due, and what it is called."""
        values: dict[str, Tensor | float | None] = {}
        descriptions: dict[str, Metric] = {}
        due = dict(self._measures(context, at))
        for name in noted("evaluation", list(due)) if at == "end" else due:
            measure = due[name]
            brought = {metric.key: metric for metric in measure.metrics}
            unit = measure.unit(context)
            for key, value in measure.measure(context).items():
                if key in values:
                    raise ValueError(f"evaluation.measures.{name}: {key} is measured twice")
                if key not in brought and not is_built_in(key):
                    raise ValueError(
                        f"evaluation.measures.{name}: {key} is not described in its `metrics`"
                    )
                values[key], descriptions[key] = (
                    value,
                    brought.get(key) or describe(key, unit),
                )
            progressed()
        return self._read(values), descriptions

    def _read(self, values: Mapping[str, Tensor | float | None]) -> dict[str, float | None]:
        """All metrics, those on the device in one copy."""
        tensors = {key: value for key, value in values.items() if isinstance(value, Tensor)}
        stacked = [value.to(self.device, torch.float64).reshape(()) for value in tensors.values()]
        numbers = dict(zip(tensors, torch.stack(stacked).tolist() if stacked else [], strict=True))
        return {
            key: numbers[key] if isinstance(value, Tensor) else value
            for key, value in values.items()
        }


def build_measures(settings: EvaluationSettings) -> dict[str, Measure]:
    """The measures that `evaluation.measures` names.

    Raises ConfigError for one that cannot be built, for a metric that is described twice or in
    another way than the code does, and for a name in `evaluation.smallest_effect` that no metric
    has.
    """
    measures: dict[str, Measure] = {}
    keys: set[str] = set()
    for name, node in settings.measures.items():
        at = f"evaluation.measures.{name}"
        measures[name] = construct(at, node, Measure, ("_target_",))
        measures[name].configure(name, settings)
        for metric in measures[name].metrics:
            try:
                described(metric)
            except ValueError as error:
                raise ConfigError(f"{at}: {error}") from error
            if metric.key in keys:
                raise ConfigError(f"{at}: {metric.key} is described by another measure too")
            keys.add(metric.key)
    _check_smallest_effect(settings, {key.removeprefix(PREFIX) for key in keys})
    return measures


def _check_smallest_effect(settings: EvaluationSettings, declared: set[str]) -> None:
    """Raise ConfigError for a metric that neither the code nor a measure describes."""
    kinds = {*SHIPPED_KINDS, *settings.planning.kinds}
    for name in settings.smallest_effect:
        measure, _, metric = name.rpartition("/")
        kind = metric.split("_")[1] if metric.startswith("success_") else None
        known = is_built_in(name) and (kind is None or kind in kinds)
        known &= not measure or measure in settings.measures
        if name not in declared and (not known or name.startswith(PREFIX)):
            names = [f"success_{kind}" for kind in sorted(kinds)]
            names += ["probe_rmse", *(f"rollout_rmse_{k}" for k in settings.rollout_steps)]
            names += sorted(declared)
            raise ConfigError(
                f"evaluation.smallest_effect.{name}: there is no such metric"
                f"{did_you_mean(name, names)}; there is {', '.join(names)}"
            )
