"""The results of a comparison: plain frozen records that tables, figures and the page are made of.

Two analysis sets stand side by side. "all": a collapsed run counts with its own score, a diverged
one with the worst score that there is, a failed, interrupted or unfinished one is missing (its
pairs are dropped and counted). "healthy": only runs whose status is healthy.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from jepa_compare.comparison.runs import LeftOut, Outcome, Run, Runs, Value
from jepa_compare.comparison.tuning.results import Tuning
from jepa_compare.metrics import Metric
from jepa_compare.runs.records import StatusNote
from jepa_compare.statistics import Decision

AnalysisSet = Literal["all", "healthy"]
ANALYSIS_SETS: tuple[AnalysisSet, ...] = ("all", "healthy")


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """One metric of one row, over seeds."""

    scores: Mapping[int, float]
    """Finite score per seed (the mean, where a seed has several runs)."""
    missing: int
    """Seeds of the row without a score."""
    mean: float
    """NaN without a score."""
    interval: tuple[float, float] | None
    """95 % t-interval of the mean; None with fewer than two seeds or no variance."""
    sd: float
    """Sample standard deviation over seeds; NaN with fewer than two."""
    iqm: float | None
    """Interquartile mean; None with fewer than five seeds."""
    note: str
    """Why there is no interval, or ""."""

    @property
    def n(self) -> int:
        """Seeds with a score."""
        return len(self.scores)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Runs that differ in nothing but their seed: one combination of the sweep's axes."""

    label: str
    """Short and unique: "vicreg", "none · target=ema", "vicreg #2"."""
    axes: Mapping[str, Value]
    """Value of each axis; None where it does not apply."""
    unswept: Mapping[str, str]
    """Value of each key that differs between rows without being an axis."""
    runs: tuple[Run, ...]
    counts: Mapping[Outcome, int]
    """Runs per outcome, those that occur."""
    target: str
    """Target encoder: shared, stop_grad or ema."""
    averaged: tuple[str, ...] = ()
    """Swept settings that `by` left out: the row is a mean over their values."""
    meaning: str = ""
    """What a number in the label stands for: "data=maze, lr=0.001"."""
    unsaid: Mapping[str, str] = field(default_factory=dict)
    """Key to "lr=0.001", of settings that most rows share and that no label then names."""

    @property
    def notes(self) -> Mapping[StatusNote, int]:
        """Runs per note beside their status, those that occur."""
        return Counter(note for run in self.runs for note in run.notes)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of all runs, finished or not."""
        return tuple(sorted({run.seed for run in self.runs}))


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A floor or a ceiling, on the same tasks as the rows it belongs to."""

    label: str
    """"random policy", "untrained encoder"; with the rows it belongs to if there are several."""
    policy: str
    rows: tuple[str, ...]
    """Labels of the rows that it belongs to."""
    estimates: Mapping[str, Estimate]
    """By metric key. Keyed by seed; a policy that has none counts as one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """The paired difference a - b between two rows on one metric, in one analysis set."""

    a: str
    b: str
    metric: str
    """Key of the metric."""
    analysis_set: AnalysisSet
    differences: Mapping[int, float]
    """a - b per seed that both rows have."""
    dropped: int
    """Seeds that one of the two rows has a run of, and that could not be paired."""
    mean: float = math.nan
    interval: tuple[float, float] | None = None
    """95 % paired t-interval, of this comparison alone."""
    p: float = math.nan
    """Paired t, two-sided; NaN when there is no test."""
    p_holm: float = math.nan
    """The same, corrected: of the primary metric for the family of its pairs, of all others for
    all metrics and pairs together."""
    p_sign_flip: float = math.nan
    """Exact permutation test over the signs, not corrected."""
    improvement: float | None
    """Probability that a run of a beats one of b; None under five seeds."""
    detectable: float = math.nan
    """Difference that this test would have found with power .8 at .05 divided by the number of
    pairs (what Holm asks of the first); NaN when there is no test."""
    tasks: tuple[int, int, int] | None
    """(only a solved, only b solved, all) tasks over the paired seeds; None without rows."""
    confounded: tuple[str, ...]
    """Keys in which the two rows differ without being an axis: no test is made then."""
    decision: Decision | None = None
    """What is claimed; None of an exploratory metric, of which nothing is."""
    note: str = ""
    """Why there is no test, or ""."""
    sentence: str = ""
    """The result in words."""

    @property
    def separable(self) -> bool:
        """Whether it is claimed that one row is better."""
        return self.decision is not None and self.decision.answer == "better"


@dataclass(frozen=True, kw_only=True, slots=True)
class Beaten:
    """A row that others beat."""

    row: str
    by: tuple[str, ...]
    """Rows of the top group; other rows where none of the top group does."""
    at_least: float
    """The smallest of the lower simultaneous bounds."""
    by_less_than: float | None
    """The smallest effect of interest, where every one of `by` is better by less than it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TopGroup:
    """The answer before it is worded: the rows that no row beats, and what they beat."""

    top: tuple[str, ...]
    """Empty when nothing can be ranked."""
    beaten: tuple[Beaten, ...]
    equal: tuple[tuple[str, str], ...]
    """Pairs within the top group that are equal within the smallest effect of interest."""
    unranked: tuple[str, ...]
    """Rows that never lead: one seed, or every run diverged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskWidening:
    """How much wider the intervals of a success rate would be if the tasks, too, were a sample."""

    tasks: int
    """That the rate is a mean over."""
    row: float
    """Factor for the interval of a row's mean, median over rows; NaN where it is not known."""
    difference: float
    """Factor for that of a paired difference, median over pairs."""
    sentence: str = ""
    """The same in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UnsweptSetting:
    """A key that differs between runs and is not an axis."""

    key: str
    values: Mapping[str, int]
    """Runs per value."""
    apart: bool
    """Whether rows were kept apart by it; otherwise `by` asked to average over it."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Comparison:
    """Everything that the outputs are made of."""

    runs: Runs
    axes: tuple[str, ...]
    """Config keys that the sweep varied, the loss first."""
    unswept: tuple[UnsweptSetting, ...]
    shared: tuple[str, ...]
    """Settings that a command line named and that all runs have: "training.steps=200"."""
    rows: tuple[Row, ...]
    """Best mean of the primary metric first, rows without a score last."""
    references: tuple[Reference, ...]
    metrics: tuple[Metric, ...]
    """Every metric that a run has, in the order of columns."""
    primary: Metric
    """The metric of the conclusion."""
    baseline: str | None
    """Label of the row that all others are compared with; None: every pair is."""
    estimates: Mapping[tuple[AnalysisSet, str, str], Estimate]
    """By (analysis_set, metric key, row label); see `estimate`."""
    pairs: Mapping[tuple[AnalysisSet, str], tuple[Pair, ...]]
    """By (analysis_set, metric key): the primary metric, which alone makes claims, and the other
    downstream metrics, which are exploratory. All runs; the healthy ones have estimates only."""
    skewed: tuple[str, ...]
    """Keys of metrics so skewed over seeds that a 95 % interval covers less."""
    smallest_effect: float | None
    """Of interest, in the primary metric; without one no pair is called equal."""
    answer: TopGroup
    """What the conclusion says, before words."""
    best: str | None
    """Label of the row that beats all others; usually None."""
    correlation: float
    """Of the rows' scores over seeds, in the primary metric; pairing multiplied the variance of a
    difference by 1 minus this. NaN where fewer than three seeds are shared."""
    task_widening: TaskWidening | None
    """Of the primary metric; None where that is no success rate, or nothing can be said."""
    conclusion: tuple[str, ...]
    """Sentences, the conclusion first."""
    warnings: tuple[str, ...]
    provenance: Mapping[str, Mapping[str, int]]
    """Runs per value of each version, hardware, commit and command."""
    tuning: tuple[Tuning, ...] = ()
    """How the rows were tuned, by study; none if they were not."""

    @property
    def primary_pairs(self) -> tuple[Pair, ...]:
        """Pairs on the primary metric, of all runs; none if there are too many rows."""
        return self.pairs.get(("all", self.primary.key), ())

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What was found on disk and not used."""
        return self.runs.left_out

    def estimate(
        self, row: Row | str, metric: Metric | str, analysis_set: AnalysisSet = "all"
    ) -> Estimate:
        """The estimate of one cell; KeyError for a row or a metric that is not there."""
        label = row.label if isinstance(row, Row) else row
        key = metric.key if isinstance(metric, Metric) else metric
        return self.estimates[analysis_set, key, label]
