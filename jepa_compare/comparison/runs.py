"""What was found on disk: frozen records of runs, floors and whatever was left out.

Texts in these records are printable (`untrusted.shown`), numbers are checked, non-finite ones are
NaN or infinite floats. Large parts of a run (learning curves, episodes, spectrum) stay on disk and
are read by `history.py` when someone asks for them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from jepa_compare.metrics import Metric
from jepa_compare.runs.records import State, Status, StatusNote, Study
from jepa_compare.runs.study_records import StudyFile

Outcome = Literal[
    "healthy",
    "no_better_than_untrained",
    "complete_collapse",
    "diverged",
    "failed",
    "interrupted",
    "running",
    "queued",
]
OUTCOMES: tuple[Outcome, ...] = (
    "healthy",
    "no_better_than_untrained",
    "complete_collapse",
    "diverged",
    "failed",
    "interrupted",
    "running",
    "queued",
)
"""Best first; the order in which counts are shown."""

What = Literal["run", "file", "lines", "link", "folder"]
"""Of what was left out: `run` is a whole run, `link` and `folder` were not searched, the others are
parts of a run that was kept."""

Value = str | int | float | None
"""A leaf of a flattened config; truth values are "true" and "false"."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TaskRows:
    """What happened on each evaluation task of one kind; NaN where nothing was recorded."""

    success: Float[np.ndarray, " tasks"]
    """1 for a success, 0 for a failure."""
    final_distance: Float[np.ndarray, " tasks"]
    """Distance to the goal at the end, in the world's unit (px)."""
    steps: Float[np.ndarray, " tasks"]
    """Environment steps until success; NaN for a failure."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Floor:
    """A policy that learned nothing (or knows everything) on the same tasks."""

    key: str
    """Name of the file, which depends on world, planner and policy."""
    policy: str
    """One of `references.REFERENCE_POLICIES`, or a user's own."""
    seed: int | None
    """Seed of the untrained encoder; None for the others."""
    metrics: Mapping[str, float]
    tasks: Mapping[str, TaskRows]


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """Something on disk that was not used, wholly or in part, and why."""

    path: Path
    what: What
    reason: str
    count: int = 1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Run:
    """One run directory."""

    path: Path
    name: str
    """Name of the auxiliary loss."""
    seed: int
    hash: str
    config: Mapping[str, Value]
    """Resolved config, flattened: "training.lr". `evaluation.` holds what was really evaluated."""
    choices: Mapping[str, str]
    """Config group to the chosen option."""
    overrides: tuple[str, ...]
    """What was written on the command line for this job."""
    state: State
    status: Status | None
    """Of the trained encoder; None without a readable summary."""
    notes: tuple[StatusNote, ...] = ()
    """What is noted beside the status."""
    reason: str
    """Why the run is not healthy; empty if it is."""
    step: int
    steps: int
    """Steps done, and planned."""
    started: float | None
    """Unix time; `ended` too."""
    ended: float | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Final "eval/..." values; NaN where the run recorded null."""
    untrained: Mapping[str, float] = field(default_factory=dict)
    """The same of the encoder at initialisation (same model, same seed)."""
    primary_metric: str | None = None
    """Key of the metric that decides on the run's source of data; None: not recorded."""
    descriptions: Mapping[str, Metric] = field(default_factory=dict)
    """Of `metrics`, as the evaluation behind them has them."""
    tasks: Mapping[str, TaskRows] = field(default_factory=dict)
    """Per task kind, behind `metrics`; empty when the evaluation's file is missing or damaged."""
    evaluation: str | None = None
    """Name (hash) of the evaluation behind `metrics`."""
    other_evaluations: tuple[str, ...] = ()
    """Names of those that lie beside it, sorted; not read."""
    later: bool = False
    """Whether `evaluation` is not that of the run's end, which its pictures show."""
    floors: Mapping[str, Floor] = field(default_factory=dict)
    """By policy."""
    collapsed_at: int | None = None
    """Step at which collapse was first seen."""
    alarms: tuple[tuple[int, str], ...] = ()
    """(step, message) of what the loop warned about."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Flattened: "versions.torch", "hardware.name", "git.commit", "environment....", "command"."""
    cost: Mapping[str, float] = field(default_factory=dict)
    """seconds.train, seconds.interim_evaluations, seconds.evaluation, seconds.total,
    samples_per_second, peak_memory_bytes, parameters.encoder, parameters.predictor."""
    unverified: bool = False
    """Whether a file of it is of an older schema version."""
    study: Study | None = None
    """What it is for in a study, if it is part of one."""

    @property
    def loss(self) -> str:
        """What a table calls the auxiliary loss: its name."""
        return self.name

    @property
    def outcome(self) -> Outcome:
        """The status of a run that has one, else how far it got."""
        if self.status is not None:
            return self.status
        return "failed" if self.state == "completed" else self.state

    @property
    def target(self) -> str:
        """The target encoder: shared, stop_grad or ema."""
        return str(self.config.get("aux_loss.target", "?"))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Runs:
    """Every run that was found, in a stable order (loss, seed, hash, path), and what was not."""

    runs: tuple[Run, ...]
    left_out: tuple[LeftOut, ...]
    roots: tuple[Path, ...]
    """The folders that were searched."""
    studies: Mapping[str, StudyFile] = field(default_factory=dict)
    """The studies that runs are part of, by id."""

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)
