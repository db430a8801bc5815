"""What a study says of each loss: plain frozen records, which the section "Tuning" is made of.

Every score here is in the metric by which the study selects. Nothing of it makes a claim: claims
are made of the fresh runs alone, by the comparison.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from jepa_compare.comparison.runs import Outcome
from jepa_compare.metrics import Metric
from jepa_compare.runs.study_records import SearchRange, StudyFile
from jepa_compare.statistics import BestOf, t_test, wilson

EDGE = 0.1
"""Of a range, on its scale: a selected value that lies so close to an end is warned of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mean:
    """Scores, or differences of scores, over seeds."""

    scores: Mapping[int, float]
    """Finite, by seed."""
    mean: float
    """NaN without a score."""
    interval: tuple[float, float] | None
    """95 % t-interval, of this mean alone; None with fewer than two seeds or no variance."""

    @property
    def n(self) -> int:
        """Seeds with a score."""
        return len(self.scores)

    @classmethod
    def of(cls, scores: Mapping[int, float]) -> "Mean":
        """Mean and interval of scores by seed."""
        test = t_test(np.array([list(scores.values())], float))
        return cls(scores=scores, mean=float(test.mean[0]), interval=test.interval(0))


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """How many of a number of trials."""

    hits: int
    of: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's, 95 %; None of no trial."""
        return wilson(self.hits, self.of)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One run of the first stage."""

    number: int
    values: Mapping[str, float]
    """By dotted key of the configuration: what the trial set."""
    score: float
    """NaN where the run has none."""
    outcome: Outcome
    confirmed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """A setting that was searched."""

    key: str
    searched: SearchRange
    selected: float | None
    """None until a trial is selected."""

    def place(self, value: float) -> float:
        """Where a value lies on the range's scale: 0 at `low`, 1 at `high`."""
        low, high, scale = self.searched.low, self.searched.high, self.searched.scale
        if scale == "log":
            return math.log(value / low) / math.log(high / low)
        if scale == "log_one_minus":
            return math.log((1 - value) / (1 - low)) / math.log((1 - high) / (1 - low))
        return (value - low) / (high - low)

    @property
    def at_edge(self) -> bool:
        """Whether the selected value lies in the outer tenth of the range."""
        return self.selected is not None and not EDGE <= self.place(self.selected) <= 1 - EDGE


@dataclass(frozen=True, kw_only=True, slots=True)
class LossTuning:
    """How one loss was tuned, and what that bought."""

    loss: str
    trials: tuple[Trial, ...]
    best_of: tuple[BestOf, ...]
    """By number of trials, over those with a score."""
    collapsed: Share
    """Trials whose latents collapsed or are no better than the untrained encoder's, of those that
    ended; `diverged` likewise."""
    diverged: Share
    near_best: float | None
    """Share of trials within the smallest effect of the best one; None without such an effect."""
    parameters: tuple[Parameter, ...]
    selected: int | None
    """Number of the selected trial."""
    trial_score: float
    """Of the selected trial's own run: the best of many, so too good. NaN without one."""
    confirmed: Mean
    """The selected trial on its confirming seeds, by which it was selected."""
    tuned: Mean
    """The same settings on fresh seeds and tasks."""
    shipped: Mean
    """The loss as it is shipped, on fresh seeds and tasks."""
    gain: Mean
    """Tuned minus shipped, paired, by the seeds that both have."""
    runs: int
    """Of all stages, finished or not."""
    seconds: float
    """That they took, all together."""

    @property
    def curse(self) -> float:
        """Fresh score minus the score by which the trial was selected; NaN without both."""
        return self.tuned.mean - self.confirmed.mean


@dataclass(frozen=True, kw_only=True, slots=True)
class AtLength:
    """The tuned losses at another length of training."""

    length: int
    """In multiples of the study's."""
    scores: Mapping[str, Mean]
    """By loss."""
    answer: Literal["holds", "open", "turns over"]
    """holds: what is beaten at the study's length is beaten here too. turns over: a loss that none
    beats there is beaten here. Else open: fewer seeds decide less."""
    conclusion: str
    """In one sentence, by the comparison's primary metric, of these runs alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tuning:
    """One study."""

    study: StudyFile
    metric: Metric
    """By which it selects."""
    smallest_effect: float | None
    """In that metric."""
    losses: tuple[LossTuning, ...]
    """In the order of the comparison's rows, then of the study."""
    lengths: tuple[AtLength, ...]
    """Other than the study's own."""

    @property
    def edges(self) -> Sequence[str]:
        """ "vicreg: training.lr": selected values in the outer tenth of their ranges."""
        return [
            f"{loss.loss}: {parameter.key}"
            for loss in self.losses
            for parameter in loss.parameters
            if parameter.at_edge
        ]
