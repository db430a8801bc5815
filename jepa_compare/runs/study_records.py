"""What the file of a study holds on disk: one definition for writer and reader."""

from dataclasses import dataclass
from typing import Any, Literal

from jepa_compare.runs.records import Count, Finite, Stage

Scale = Literal["log", "log_one_minus", "linear"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchRange:
    """Between which values a parameter is searched."""

    low: Finite
    """Smallest value, and `high` the largest."""
    high: Finite
    scale: Scale
    """In which the values lie evenly: their logarithm, that of 1 minus the value, or themselves."""
    default: Finite
    """The value that the loss is shipped with."""
    shared: bool
    """Whether every loss of the study has this range, as of the learning rate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyLoss:
    """What is tried of one auxiliary loss."""

    option: str
    """Chosen with `aux_loss=<option>`."""
    space: dict[str, SearchRange]
    """By dotted key of the configuration."""
    values: dict[str, list[Finite]]
    """By the same keys: the values of trial 0, 1, and so on."""
    config: dict[str, Any]
    """The loss as it is shipped: the settings that can change a number, without the seeds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyFile:
    """study.json, in the sweep of a study: what was planned before the first run started.

    Which trial was selected is not written down: it follows from the runs
    (`comparison.tuning.selection`).
    """

    schema_version: int
    """Of this file; see `SCHEMA_VERSION`."""
    id: str
    """8 hex digits of all that follows but `trials`, which may be raised, the values and
    `versions`."""
    metric: str
    """Key of the metric that selects."""
    sampler: Literal["sobol"]
    """Where the values of the trials come from."""
    study_seed: Count
    """Of the sampler; another one also has other training seeds and tasks."""
    first_seed: dict[Stage, Count]
    """By stage: its first training seed, which is also the seed of all its evaluations."""
    trials: Count
    """Of each loss, a training seed each: the same of trial k for every loss."""
    confirm_top: Count
    """How many of the best trials are confirmed, on `confirm_seeds` seeds each."""
    confirm_seeds: Count
    report_seeds: Count
    """Of the selected settings, which are compared."""
    default_seeds: Count
    """Of the loss as it is shipped, and of the selected settings at another length."""
    report_steps: list[Count]
    """Lengths of training in the report, in multiples of the study's."""
    losses: dict[str, StudyLoss]
    """By name."""
    versions: dict[str, str]
    """Of this package, Python and the core packages, as the study began."""
