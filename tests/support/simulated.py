"""Sweeps with known truth, and what `compare` says of them: coverage and false conclusions.

A simulated sweep is five losses and n seeds. Runs of one seed share half of their variance, as runs
that see the same data and the same tasks do. Each sweep goes through `compare`, in memory.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from jepa_compare.comparison import Comparison, Run, Runs, compare
from jepa_compare.comparison.results import Pair
from jepa_compare.comparison.runs import TaskRows, Value
from jepa_compare.statistics import Decision, decide

LOSSES = ("a", "b", "c", "d", "e")
TASKS = 100
SUCCESS, ERROR = "eval/success_detour", "eval/probe_rmse"

Draw = Callable[[np.random.Generator, int, np.ndarray], np.ndarray]
"""(generator, seeds, true mean per loss) to scores [losses seeds] or outcomes [losses seeds tasks].
"""


def _normal(rng: np.random.Generator, seeds: int, means: np.ndarray) -> np.ndarray:
    shared, alone = rng.normal(size=(1, seeds)), rng.normal(size=(len(means), seeds))
    return means[:, None] + (shared + alone) / math.sqrt(2)


def _binomial(rng: np.random.Generator, seeds: int, means: np.ndarray) -> np.ndarray:
    """A task is solved when its ease, half of it shared by the losses, is above a threshold."""
    shared, alone = rng.normal(size=(1, seeds, TASKS)), rng.normal(size=(len(means), seeds, TASKS))
    ease = (shared + alone) / math.sqrt(2)
    return (ease < ndtri(means)[:, None, None]).astype(float)


def _exponential(rng: np.random.Generator, seeds: int, means: np.ndarray) -> np.ndarray:
    return means[:, None] * rng.exponential(size=(len(means), seeds))


def _lognormal(rng: np.random.Generator, seeds: int, means: np.ndarray) -> np.ndarray:
    return means[:, None] * np.exp(rng.normal(size=(len(means), seeds)) - 0.5)


@dataclass(frozen=True, kw_only=True)
class Truth:
    """How scores are distributed over seeds."""

    name: str
    draw: Draw
    null: float
    """The mean of every loss when none is better."""
    better: float
    """The mean of the last two losses when they are."""
    margin: float
    """Smallest effect of interest."""
    metric: str = ERROR


TRUTHS = {
    truth.name: truth
    for truth in (
        Truth(name="normal", draw=_normal, null=5.0, better=1.0, margin=1.0),
        *(
            Truth(
                name=f"binomial, p = {p}",
                draw=_binomial,
                null=p,
                better=q,
                margin=0.1,
                metric=SUCCESS,
            )
            for p, q in ((0.5, 0.9), (0.8, 0.4), (0.95, 0.5))
        ),
        Truth(name="exponential", draw=_exponential, null=1.0, better=0.1, margin=0.5),
        Truth(name="lognormal", draw=_lognormal, null=1.0, better=0.1, margin=0.5),
    )
}
SYMMETRIC = ("normal", "binomial, p = 0.5", "binomial, p = 0.8", "binomial, p = 0.95")
"""Those for which coverage is promised."""


def make_run(
    loss: str,
    seed: int,
    metrics: Mapping[str, float],
    *,
    tasks: Mapping[str, TaskRows] | None = None,
    swept: Mapping[str, Value] | None = None,
    changed: Mapping[str, Value] | None = None,
) -> Run:
    """A healthy run in memory; `swept` settings are on its command line, `changed` ones are not."""
    swept, changed = swept or {}, changed or {}
    named = "_".join(map(str, (loss, seed, *swept.values(), *changed.values())))
    written = [f"{key}={value}" for key, value in swept.items()]
    return Run(
        path=Path(named),
        name=loss,
        seed=seed,
        hash=named,
        config={"aux_loss.name": loss, "aux_loss.target": "shared", **swept, **changed},
        choices={"aux_loss": loss},
        overrides=(f"aux_loss={loss}", f"seed={seed}", *written),
        state="completed",
        status="healthy",
        reason="",
        step=1,
        steps=1,
        started=None,
        ended=None,
        metrics=metrics,
        tasks=tasks or {},
    )


def simulate(
    truth: Truth, seeds: int, means: Sequence[float], rng: np.random.Generator
) -> Comparison:
    """One sweep with these true means, compared."""
    values = truth.draw(rng, seeds, np.asarray(means))
    runs = []
    for loss, of_seeds in zip(LOSSES, values, strict=True):
        for seed, value in enumerate(of_seeds):
            tasks = {}
            if value.ndim:
                nothing = np.full(len(value), np.nan)
                rows = TaskRows(success=value, final_distance=nothing, steps=nothing)
                tasks = {"detour": rows}
            runs.append(make_run(loss, seed, {truth.metric: float(value.mean())}, tasks=tasks))
    return compare(Runs(runs=tuple(runs), left_out=(), roots=()), metric=truth.metric)


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share of many sweeps, with the Monte-Carlo standard error of a mean over sweeps."""

    value: float
    error: float

    @classmethod
    def of(cls, per_sweep: Sequence[float]) -> "Share":
        values = np.array(per_sweep, float)
        values = values[~np.isnan(values)]
        if not len(values):
            return cls(value=math.nan, error=math.nan)
        return cls(value=float(values.mean()), error=float(values.std() / math.sqrt(len(values))))

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} ± {100 * self.error:.1f}"


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What is true of the intervals and conclusions of one truth and one number of seeds."""

    mean: Share
    """95 % intervals of a row's mean that cover the truth."""
    difference: Share
    """95 % intervals of a paired difference that cover 0, no loss being better."""
    without: Share
    """Means without an interval: no variance."""
    false: Share
    """Sweeps with at least one false claim, no loss being better: a pair called better."""
    partly: Share
    """The same when two of five are far better: a pair of equal losses called better, or a pair of
    different ones equal."""
    warned: Share
    """Sweeps whose warnings say that the metric is skewed."""


def calibrate(truth: Truth, seeds: int, sweeps: int, rng: np.random.Generator) -> Calibration:
    """Compare `sweeps` sweeps in which no loss is better, and as many in which two are."""
    means, gaps, without, false, partly, warned = [], [], [], [], [], []
    for _ in range(sweeps):
        comparison = simulate(truth, seeds, [truth.null] * len(LOSSES), rng)
        intervals = [comparison.estimate(row, truth.metric).interval for row in comparison.rows]
        means.append(_covering(intervals, truth.null))
        without.append(np.mean([interval is None for interval in intervals]))
        pairs = comparison.pairs["all", truth.metric]
        gaps.append(_covering([pair.interval for pair in pairs], 0.0))
        false.append(any(decision.answer == "better" for decision in _decided(pairs, truth)))
        warned.append(any(text.startswith("Skewed") for text in comparison.warnings))
        mixed = [truth.null] * 3 + [truth.better] * 2
        pairs = simulate(truth, seeds, mixed, rng).pairs["all", truth.metric]
        partly.append(
            any(
                decision.answer == "better"
                if (pair.a < "d") == (pair.b < "d")
                else decision.within_margin
                for pair, decision in zip(pairs, _decided(pairs, truth), strict=True)
            )
        )
    return Calibration(
        mean=Share.of(means),
        difference=Share.of(gaps),
        without=Share.of(without),
        false=Share.of(false),
        partly=Share.of(partly),
        warned=Share.of(warned),
    )


def _decided(pairs: Sequence[Pair], truth: Truth) -> tuple[Decision, ...]:
    """The decisions on the paired differences that `compare` found."""
    return decide(np.array([list(pair.differences.values()) for pair in pairs]), truth.margin)


def _covering(intervals: Sequence[tuple[float, float] | None], value: float) -> float:
    """Share of the intervals that are there; NaN if none is."""
    there = [low <= value <= high for low, high in filter(None, intervals)]
    return sum(there) / len(there) if there else math.nan
