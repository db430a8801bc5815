"""What the files of a run directory and of a sweep hold: one definition for writer and reader.

Every class is the content of one file, or a part of one. Numbers that are not finite are written as
the texts "nan", "inf" and "-inf"; null stands for what was not measured. docs/run_directory.md is
made of this file.
"""

import functools
from dataclasses import dataclass, field
from typing import Any, Literal

SCHEMA_VERSION = 2
"""Of all files below. Version 1 is still read (`version_1`), and marked as unverified."""

State = Literal["queued", "running", "completed", "failed", "interrupted"]
Status = Literal["healthy", "dimensional_collapse", "complete_collapse", "diverged"]

record = functools.partial(dataclass, frozen=True, kw_only=True, slots=True)


@record()
class ConfigFile:
    """config.json: what identifies a run, and all that is needed to start it."""

    schema_version: int
    run_name: str
    """Name of the directory: <loss>_s<seed>_<hash>."""
    name: str
    """Name of the auxiliary loss."""
    seed: int
    hash: str
    """8 hex digits of the settings that determine the weights (`runs.identity.run_hash`)."""
    config: dict[str, Any]
    """The resolved configuration; keys as in conf/."""
    choices: dict[str, str | None]
    """Chosen option of each config group."""
    overrides: list[str]
    """What was written on the command line for this run."""


@record()
class Failure:
    """Why a run failed."""

    type: str
    """Name of the exception."""
    message: str
    traceback: str
    resumable: bool
    """Whether the next attempt continues from the checkpoint: the machine failed, not the code."""


@record()
class StatusFile:
    """status.json: how far a run is. Replaced at every heartbeat, every five seconds."""

    state: State
    step: int
    """Optimiser steps done."""
    first_step: int = 0
    """Step at which this attempt began."""
    steps: int
    """Optimiser steps that are to be done."""
    host: str | None
    pid: int | None
    heartbeat: float
    """Unix time at which the owner was last alive; `started` and `ended` are Unix times too."""
    started: float | None
    """Of this attempt."""
    ended: float | None
    exception: Failure | None
    """Of a failed run."""


@record()
class MetricsRow:
    """A line of metrics.jsonl: a flat object of `step` and the values logged there.

    Evaluations between steps stand in the row of the step before which they were made; the last row
    is the evaluation at the end.
    """

    step: int
    values: dict[str, float | None]
    """By key: "train/...", "aux/...", "helper/...", "eval/...". Not nested in the file."""


@record()
class Divergence:
    """Where a value stopped being finite."""

    step: int
    term: str
    """Key of the first value that was not finite."""


@record()
class Alarm:
    """A warning of the training loop."""

    step: int
    message: str


@record()
class Seconds:
    """Wall time of a run, over all attempts."""

    train: float
    """Optimisation steps."""
    interim_evaluations: float = 0.0
    """Evaluations between the steps."""
    evaluation: float
    """Evaluation at the end, figures and floors included."""
    total: float


@record()
class Hardware:
    """What a run ran on."""

    device: str
    """cpu or cuda: what the setting `device` resolved to."""
    name: str
    """Of the processor or the GPU."""
    cores: int | None
    instructions: str
    """Vector instructions that torch uses on the CPU."""
    threads: int


@record()
class Commit:
    """The checkout that a run was started from."""

    commit: str
    dirty: bool
    """Whether files that git tracks were changed."""


@record()
class SummaryFile:
    """summary.json: what a run achieved. Written last: without it a run is not finished."""

    schema_version: int
    status: Status
    diverged: Divergence | None
    collapsed_at: int | None
    """Step at which the collapse of the latents was first seen; null for never."""
    alarms: list[Alarm]
    metrics: dict[str, float | None]
    """Of the evaluation at the end, by key "eval/..."; empty for a diverged run."""
    evaluation: str | None
    """Name of that evaluation in evaluations/, without ".json"."""
    untrained: dict[str, float | None]
    """Metrics of the model before its first step."""
    floors: dict[str, str]
    """Reference policy to the name of its file in floors/, without ".json"."""
    steps: int
    """Optimiser steps done."""
    parameters: dict[str, int]
    """Of encoder, predictor, aux_loss and helpers."""
    compile: str
    """What `training.compile` came to: off, default or cudagraphs."""
    seconds: Seconds
    samples_per_second: float | None
    """Frames per second of training."""
    peak_memory_bytes: int | None
    """Of the process, or of the GPU's allocator; null where it cannot be told."""
    versions: dict[str, str]
    hardware: Hardware
    git: Commit | None
    flags: dict[str, str | bool]
    """Switches of torch that change rounding."""
    environment: dict[str, str]
    """Variables that change numbers, speed or placement."""
    command: list[str]


@record()
class Episode:
    """One recorded planning episode, for figures."""

    task: int
    success: bool
    steps: int | None = None
    """Environment steps until the goal was reached; null if it never was."""
    path: list[list[float]]
    """Positions (x, y) before the first and after each step."""
    goal: list[float]
    walls: list[list[float]]
    """Rectangles (x0, y0, x1, y1)."""


@record()
class EvaluationFile:
    """evaluations/<hash>.json: one evaluation of the trained model, named by its settings."""

    schema_version: int
    settings: dict[str, Any]
    """The `evaluation` node of the configuration."""
    step: int
    """Optimiser steps after which it was made."""
    metrics: dict[str, float | None]
    descriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By metric key: label, unit, better, downstream, low, high, about, decimals."""
    tasks: dict[str, dict[str, list[Any]]]
    """By kind of planning task, columns of equal length: success, final_distance, steps."""
    episodes: dict[str, list[Episode]]
    """By kind, the first tasks."""
    spectrum: list[float]
    """Singular values of the centred latents divided by the largest."""
    seconds: float
    floors: dict[str, str] = field(default_factory=dict)
    """As in the summary."""
    untrained: dict[str, float | None] = field(default_factory=dict)
    """As in the summary."""


@record()
class FloorFile:
    """floors/<key>.json: what a reference policy, or the untrained model, yields on the same tasks.

    The key is a hash of all that the numbers depend on.
    """

    schema_version: int
    policy: str
    seed: int | None
    """Of the untrained model's weights; null for policies."""
    metrics: dict[str, float | None]
    tasks: dict[str, dict[str, list[Any]]]
    """As in an evaluation."""


@record()
class SweepFile:
    """sweep.json: what was swept."""

    schema_version: int
    command: list[str]
    """As it was typed last."""
    overrides: list[str]
    """Of the command."""
    runs: list[str]
    """Names of the run directories that the command stands for."""
