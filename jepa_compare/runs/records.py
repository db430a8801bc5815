"""What the files of a run directory and of a sweep hold: one definition for writer and reader.

Every class is the content of one file, or a part of one. Numbers that are not finite are written as
the texts "nan", "inf" and "-inf"; null stands for what was not measured. docs/run_directory.md is
made of this file, of `study_records` and of `evaluation_records`.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from jepa_compare.runs.codec import COUNT, FINITE

SCHEMA_VERSION = 3
"""Of all these files. Version 1 (by `version_1`) and version 2, which has no digests, are
still read, and marked as unverified."""

Finite = Annotated[float, FINITE]
Count = Annotated[int, COUNT]

State = Literal["queued", "running", "completed", "failed", "interrupted"]
Status = Literal["healthy", "no_better_than_untrained", "complete_collapse", "diverged"]
StatusNote = Literal["low_rank"]


Stage = Literal["trials", "confirm", "report"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """What a run is for in a study, which tunes each loss (`hydra/sweeper=tune`)."""

    id: str
    """Of the study, as in the sweep's study.json."""
    stage: Stage
    """trials: to find settings; confirm: to choose among the best; report: to be compared."""
    trial: Count | None
    """Whose settings the run has; null: the loss as it is shipped."""
    length: Count = 1
    """Training steps, in multiples of the study's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigFile:
    """config.json: what identifies a run, and all that is needed to start it."""

    schema_version: int
    """Of this file; see `SCHEMA_VERSION`."""
    run_name: str
    """Name of the directory: `<loss>_s<seed>_<hash>`."""
    name: str
    """Of the auxiliary loss."""
    seed: int
    """Of initial weights, batches and random slices."""
    hash: str
    """8 hex digits of the settings that determine the weights (`runs.identity.run_hash`)."""
    config: dict[str, Any]
    """The resolved configuration; keys as in conf/."""
    choices: dict[str, str | None]
    """Chosen option of each config group."""
    overrides: list[str]
    """What was written on the command line for this run."""
    study: Study | None = None
    """Null unless the run is part of a study."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a run failed."""

    type: str
    """Name of the exception."""
    message: str
    """Its text; `traceback` is as Python prints it."""
    traceback: str
    resumable: bool
    """Whether the next attempt continues from the checkpoint: the machine failed, not the code."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusFile:
    """status.json: how far a run is. Replaced at every heartbeat, every five seconds."""

    state: State
    """While a run is in the making: how far its directory has come."""
    step: Count
    """Optimiser steps done."""
    first_step: Count = 0
    """Step at which this attempt began."""
    steps: Count
    """Optimiser steps that are to be done."""
    host: str | None
    """Machine of the owner, and `pid` its process; null for a run that is queued."""
    pid: int | None
    heartbeat: Finite
    """Unix time at which the owner was last alive; `started` and `ended` are Unix times too."""
    without_progress: Finite = 0.0
    """Seconds up to the heartbeat in which nothing was finished, no step, measure or picture."""
    started: Finite | None
    """Of this attempt."""
    ended: Finite | None
    """Null while the run lasts."""
    exception: Failure | None
    """Of a failed run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricsRow:
    """A line of metrics.jsonl: a flat object of `step` and the values logged there.

    Evaluations between steps stand in the row of the step before which they were made; the last row
    is the evaluation at the end.
    """

    step: Count
    """Optimiser steps done before it."""
    values: dict[str, float | None]
    """By key: "train/...", "aux/...", "helper/...", "eval/...". Not nested in the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Divergence:
    """Where a value stopped being finite."""

    step: Count
    """First step with such a value."""
    term: str
    """Key of the first value that was not finite."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alarm:
    """A warning of the training loop."""

    step: Count
    """When it was raised; `message` is one sentence."""
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Seconds:
    """Wall time of a run, over all attempts."""

    train: float
    """Optimisation steps."""
    interim_evaluations: float = 0.0
    """Evaluations between the steps."""
    evaluation: float
    """Evaluation at the end, figures and floors included; `total` is the sum."""
    total: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Hardware:
    """What a run ran on."""

    device: str
    """cpu or cuda: what the setting `device` resolved to."""
    name: str
    """Of the processor or the GPU."""
    cores: int | None
    instructions: str
    """Vector instructions that torch uses on the CPU; `threads`: how many it used there."""
    threads: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """The checkout that a run was started from."""

    commit: str
    """Full hash; `dirty`: whether files that git tracks were changed."""
    dirty: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SummaryFile:
    """summary.json: what a run achieved. Written last: without it a run is not finished."""

    schema_version: int
    """Of this file; see `SCHEMA_VERSION`."""
    run: str = ""
    """Hash of the run, as in config.json; empty before version 3."""
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 by file name: config, metrics, weights, evaluations, used floors, and of this file
    without it. None before version 3."""
    status: Status
    """What the run has learned; `notes`: low_rank if the latents span few directions."""
    notes: list[StatusNote] = field(default_factory=list)
    diverged: Divergence | None
    """Null unless the status is diverged."""
    collapsed_at: Count | None
    """Step at which the collapse of the latents was first seen; null for never."""
    alarms: list[Alarm]
    """In the order in which they were raised."""
    metrics: dict[str, float | None]
    """Of the evaluation at the end, by key "eval/..."; empty for a diverged run."""
    evaluation: str | None
    """Name of that evaluation in evaluations/, without ".json"."""
    untrained: dict[str, float | None]
    """Metrics of the model before its first step."""
    floors: dict[str, str]
    """Reference policy to the name of its file in floors/, without ".json"."""
    steps: Count
    """Optimiser steps done."""
    parameters: dict[str, int]
    """Trained ones, of encoder, predictor, aux_loss (the loss's own head) and helpers."""
    clipped_steps_share: float | None = None
    """Of all optimiser steps, those in which the gradient of a group was cut to
    `training.grad_clip`."""
    aux_to_prediction_gradient: float | None = None
    """Norm of the weighted auxiliary loss's gradient at the encoder over that of the prediction
    loss's: median over the steps of `training.gradient_interval`."""
    aux_seconds_per_step: float | None = None
    """Forward and backward of the auxiliary loss with its head, run eagerly, timed at the end."""
    compile: str
    """What `training.compile` came to: off, default or cudagraphs."""
    seconds: Seconds
    """Wall time."""
    samples_per_second: float | None
    """Frames per second of training."""
    peak_memory_bytes: Count | None
    """Of the process, or of the GPU's allocator; null where it cannot be told."""
    versions: dict[str, str]
    """Of this package, Python and the core packages."""
    hardware: Hardware
    """Where the last attempt ran."""
    git: Commit | None
    flags: dict[str, str | bool]
    """Switches of torch that change rounding."""
    environment: dict[str, str]
    """Variables that change numbers, speed or placement."""
    command: list[str]
    """Arguments of the process."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepFile:
    """sweep.json: what was swept."""

    schema_version: int
    """Of this file; see `SCHEMA_VERSION`."""
    command: list[str]
    """As it was typed last."""
    overrides: list[str]
    """Of the command."""
    runs: list[str]
    """Names of the run directories that the command stands for."""
