"""What the files of a run directory and of a sweep hold: one definition for writer and reader.

Every class is the content of one file, or a part of one. Numbers that are not finite are written as
the texts "nan", "inf" and "-inf"; null stands for what was not measured. docs/run_directory.md is
made of this file.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from jepa_compare.runs.codec import COUNT, FINITE

SCHEMA_VERSION = 2
"""Of all files below. Version 1 is still read (`version_1`), and marked as unverified."""

Finite = Annotated[float, FINITE]
Count = Annotated[int, COUNT]
Column = list[bool | int | float | None]
"""A value per planning task."""

State = Literal["queued", "running", "completed", "failed", "interrupted"]
Status = Literal["healthy", "dimensional_collapse", "complete_collapse", "diverged"]


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
    status: Status
    """What the run has learned."""
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
class Episode:
    """One recorded planning episode, for figures."""

    task: int
    """Its number, from 0."""
    success: bool
    """By the primary criterion."""
    steps: Count | None = None
    """Environment steps until the goal was reached; null if it never was."""
    path: list[list[Finite]]
    """Positions (x, y) before the first and after each step."""
    goal: list[Finite]
    """Position (x, y)."""
    walls: list[list[Finite]]
    """Rectangles (x0, y0, x1, y1)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What a metric is called, and how it is read."""

    label: str
    """For people."""
    unit: str = ""
    """Empty for a rate or a ratio."""
    better: Literal["higher", "lower"] | None = None
    """Null: neither direction is better."""
    downstream: bool = False
    """Whether losses may be ranked by it."""
    low: Finite | None = None
    """Smallest possible value, and `high` the largest; null: there is none."""
    high: Finite | None = None
    about: str
    """One sentence."""
    decimals: Count = 2
    """Of a table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationFile:
    """evaluations/<hash>.json: one evaluation of the trained model, named by its settings."""

    schema_version: int
    """Of this file; see `SCHEMA_VERSION`."""
    settings: dict[str, Any]
    """The `evaluation` node of the configuration."""
    step: Count
    """Optimiser steps after which it was made."""
    metrics: dict[str, float | None]
    """By key "eval/..."; null where there was nothing to average."""
    descriptions: dict[str, Description] = field(default_factory=dict)
    """By metric key. For built-in metrics the description in `jepa_compare.metrics` counts."""
    tasks: dict[str, dict[str, Column]]
    """By kind of planning task, columns of equal length: success, final_distance, steps."""
    episodes: dict[str, list[Episode]]
    """By kind, the first tasks."""
    spectrum: list[float]
    """Singular values of the centred latents divided by the largest."""
    seconds: float
    """Wall time of the evaluation."""
    floors: dict[str, str] = field(default_factory=dict)
    """As in the summary."""
    untrained: dict[str, float | None] = field(default_factory=dict)
    """As in the summary."""
    primary_metric: str | None = None
    """Key of the metric that decides on this source of data; null: the comparison's default."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FloorFile:
    """floors/<key>.json: what a reference policy, or the untrained model, yields on the same tasks.

    The key is a hash of all that the numbers depend on.
    """

    schema_version: int
    """Of this file; see `SCHEMA_VERSION`."""
    policy: str
    """Name in `jepa_compare.metrics`, or untrained."""
    seed: int | None
    """Of the untrained model's weights; null for policies."""
    metrics: dict[str, float | None]
    """By key "eval/..."."""
    tasks: dict[str, dict[str, Column]]
    """As in an evaluation."""


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
