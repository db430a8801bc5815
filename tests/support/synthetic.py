"""Run directories with known truth, written as the training half writes them.

    sweep = Sweep(tmp_path / "multirun" / "a", losses=DEFAULT_LOSSES, seeds=range(5))
    sweep.write()                                   # 5 losses x 5 seeds, floors, everything
    write_run(sweep.path, loss=DEFAULT_LOSSES["vicreg"], seed=9, state="failed")   # one more

Every number is a function of (loss, seed) and of the truths below. Of two runs with the same seed
the evaluation tasks are equally hard and the seed effect is shared, so that differences are paired.
"""

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from jepa_compare.metrics import describe
from jepa_compare.runs import layout
from jepa_compare.runs.codec import encode
from jepa_compare.runs.evaluation_records import Description, Episode, EvaluationFile, FloorFile
from jepa_compare.runs.identity import run_hash
from jepa_compare.runs.records import (
    SCHEMA_VERSION,
    Alarm,
    Commit,
    ConfigFile,
    Divergence,
    Failure,
    Hardware,
    MetricsRow,
    Seconds,
    State,
    Status,
    StatusFile,
    Study,
    SummaryFile,
)
from jepa_compare.system import files
from tests.support.signing import sign

KINDS = ("same", "door", "detour")
FLOORS = {
    "random": {"same": 0.16, "door": 0.05, "detour": 0.01},
    "straight_line": {"same": 1.0, "door": 0.62, "detour": 0.0},
    "door_script": {"same": 1.0, "door": 1.0, "detour": 1.0},
    "oracle": {"same": 1.0, "door": 0.95, "detour": 0.93},
    "untrained": {"same": 0.17, "door": 0.02, "detour": 0.01},
}
HARDWARE = Hardware(device="cpu", name="Some CPU", cores=2, instructions="AVX2", threads=2)
NOW = 1_795_000_000.0
"""Unix time at which all synthetic runs ended."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What is true of one auxiliary loss."""

    name: str
    success: Mapping[str, float]
    """Expected success rate per task kind."""
    probe_rmse: float
    seed_sd: float = 0.05
    """Standard deviation of the success rate over seeds, half of it shared by all losses."""
    rank: int = 20
    """How many directions the latents use."""
    status: Status = "healthy"
    target: str = "shared"
    weight: float = 1.0
    cls: str = "NoAuxLoss"
    """Class in `jepa_compare.losses`."""
    arguments: Mapping[str, float] = field(default_factory=dict)
    """Constructor arguments in the loss's YAML."""


def _rates(same: float, door: float, detour: float) -> dict[str, float]:
    return {"same": same, "door": door, "detour": detour}


DEFAULT_LOSSES = {
    loss.name: loss
    for loss in (
        Loss(
            name="none",
            success=_rates(0.25, 0.15, 0.02),
            probe_rmse=8.4,
            rank=100,
            status="complete_collapse",
            weight=0.0,
        ),
        Loss(
            name="vicreg",
            success=_rates(0.99, 0.95, 0.90),
            probe_rmse=0.30,
            rank=14,
            cls="VICReg",
            arguments={"sim_coeff": 0.0, "std_coeff": 1.0, "cov_coeff": 0.02},
        ),
        Loss(
            name="barlow_twins",
            success=_rates(0.99, 0.97, 0.88),
            probe_rmse=0.58,
            rank=31,
            weight=0.05,
            cls="BarlowTwins",
            arguments={"off_diagonal_weight": 0.005},
        ),
        Loss(
            name="dino",
            success=_rates(0.98, 0.76, 0.37),
            probe_rmse=0.50,
            rank=30,
            cls="DINO",
            arguments={"prototypes": 256},
        ),
        Loss(
            name="sigreg",
            success=_rates(0.99, 0.53, 0.42),
            probe_rmse=0.30,
            rank=16,
            weight=3.0,
            cls="SIGReg",
            arguments={"num_slices": 64},
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep directory: every loss with every seed, all completed with the loss's status."""

    path: Path
    losses: Mapping[str, Loss] = field(default_factory=lambda: DEFAULT_LOSSES)
    seeds: Iterable[int] = range(3)
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Dotted config keys of every run, not given on the command line."""
    tasks: int = 100
    figures: bool = False

    def write(self) -> Path:
        """Write it; returns its path."""
        for seed in self.seeds:
            for loss in self.losses.values():
                write_run(
                    self.path,
                    loss=loss,
                    seed=seed,
                    changes=self.changes,
                    tasks=self.tasks,
                    figures=self.figures,
                )
        return self.path


def make_config(loss: Loss, seed: int, changes: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved config; `changes` sets dotted keys."""
    config: dict[str, Any] = {
        "aux_loss": {
            "name": loss.name,
            "weight": loss.weight,
            "target": loss.target,
            "target_decay": 0.99,
            "_target_": f"jepa_compare.losses.{loss.cls}",
            **loss.arguments,
        },
        "helper": {"name": "none", "inverse_dynamics_weight": 0.0},
        "model": {"name": "two_rooms", "dim": 128, "encoder": {"channels": [32, 64]}},
        "training": {
            "steps": 600,
            "batch_size": 32,
            "lr": 1e-3,
            "compile": "off",
            "on_collapse": "warn",
            "log_interval": 10,
        },
        "data": {"name": "two_rooms", "size": 32},
        "evaluation": {
            "seed": 0,
            "interval": 150,
            "collapse_interval": 25,
            "frames": 17,
            "trajectories": 256,
            "collapse_trajectories": 64,
            "planning": {"tasks": 100, "planner": {"kind": "cem"}},
        },
        "tracking": {"name": "auto", "mode": "auto"},
        "seed": seed,
        "device": "auto",
        "sweep": None,
    }
    for key, value in changes.items():
        node = config
        *parents, leaf = key.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    return config


def write_run(
    sweep: Path,
    *,
    loss: Loss,
    seed: int,
    state: State = "completed",
    status: Status | None = None,
    changes: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    choices: Mapping[str, str] | None = None,
    metrics: Mapping[str, float | None] | None = None,
    provenance: Mapping[str, Any] | None = None,
    tasks: int = 100,
    rows: int = 12,
    figures: bool = False,
    exception: tuple[str, str] = ("RuntimeError", "out of patience"),
    name: str | None = None,
    study: Study | None = None,
) -> Path:
    """Write one run directory below `sweep` and return it.

    `changes` edits the config unseen (unswept); `overrides` does so on the command line (an axis).
    `metrics` replaces single final metrics, `provenance` fields of summary.json. A state
    other than completed leaves no summary, unless the status is diverged.
    """
    overrides = dict(overrides or {})
    status = status or loss.status
    config = make_config(loss, seed, {**(changes or {}), **overrides})
    digest = run_hash(config)
    path = sweep / (name or f"{loss.name}_s{seed}_{digest}")
    path.mkdir(parents=True, exist_ok=True)
    groups = {"aux_loss": loss.name, "data": "two_rooms", "training": "default", "helper": "none"}
    _write(
        path / layout.CONFIG,
        ConfigFile(
            schema_version=SCHEMA_VERSION,
            run_name=f"{loss.name}_s{seed}_{digest}",
            name=loss.name,
            seed=seed,
            hash=digest,
            config=config,
            choices={**groups, **(choices or {})},
            overrides=[
                f"aux_loss={loss.name}",
                f"seed={seed}",
                *(f"{key}={value}" for key, value in {**overrides, **(choices or {})}.items()),
            ],
            study=study,
        ),
    )
    steps = config["training"]["steps"]
    finished = state == "completed" or status == "diverged"
    state = "failed" if status == "diverged" else state
    done = steps if state == "completed" else min(370, steps)
    _write(path / layout.STATUS, _status(state, done, steps, exception))
    drawn = files.content_hash([loss.name, {**(changes or {}), **overrides}])
    rng = np.random.default_rng([seed, int(drawn, 16), 8])  # 8: the losses come out in their order
    lines = [] if state == "queued" else list(_curves(rng, loss, done, rows, status))
    if not finished:
        _write_rows(path, lines)
        return path
    result = _evaluate(loss.success, seed, tasks, rng, loss.seed_sd)
    values = {**_metrics(loss, result, rng), **(metrics or {})}
    values = {key: value if status != "diverged" else np.nan for key, value in values.items()}
    _write_rows(path, [*lines, MetricsRow(step=done, values=values)])
    summary = _summary(loss, status, values, seed, tasks, rng)
    summary = replace(summary, run=digest, steps=done, **(provenance or {}))
    recorded = result if metrics is None and status != "diverged" else None
    _write(
        path / layout.EVALUATIONS / f"{summary.evaluation}.json",
        EvaluationFile(
            schema_version=SCHEMA_VERSION,
            run=digest,
            settings=config["evaluation"],
            step=done,
            metrics=values,
            descriptions={key: Description(**describe(key, "px").description()) for key in values},
            tasks=recorded or {},
            episodes=_episodes(rng) if recorded else {},
            spectrum=np.exp(-np.arange(128) / loss.rank).tolist(),
            seconds=9.1,
        ),
    )
    _write_floors(sweep, seed, tasks)
    sign(path, files.finite(encode(summary)))
    if figures:
        _write_figures(path, seed)
    return path


def _status(state: State, done: int, steps: int, exception: tuple[str, str]) -> StatusFile:
    kind, message = exception
    failure = Failure(type=kind, message=message, traceback="", resumable=False)
    return StatusFile(
        state=state,
        step=0 if state == "queued" else done,
        steps=steps,
        host="node7",
        pid=4242,
        heartbeat=NOW,
        started=None if state == "queued" else NOW - 60,
        ended=NOW if state in ("completed", "failed", "interrupted") else None,
        exception=failure if state == "failed" else None,
    )


def _curves(
    rng: np.random.Generator, loss: Loss, done: int, rows: int, status: str
) -> Iterable[MetricsRow]:
    """Decaying losses with noise; collapse metrics four times, probe and gradients too."""
    marks = np.unique(np.linspace(1, done, rows).astype(int))
    noise = rng.normal(size=(len(marks), 4)) * 0.05
    for index, step in enumerate(marks.tolist()):
        fall = float(np.exp(-step / 150))
        wobble = np.exp(noise[index])
        row: dict[str, float | None] = {
            "train/loss": (0.05 + fall) * wobble[0],
            "train/prediction": (0.03 + 0.7 * fall) * wobble[1],
            "train/aux": loss.weight * (0.02 + 0.3 * fall) * wobble[2],
            "train/lr": 1e-3 * (1 - step / 700),
            "train/gradient_norm": wobble[3],
        }
        for term in loss.arguments:
            row[f"aux/{term}"] = (0.02 + 0.3 * fall) * wobble[2]
        if index % max(1, len(marks) // 6) == 0 or step == done:
            row["train/gradient_prediction"] = 0.4 * fall + 0.05
            row["train/gradient_aux"] = 0.2 * fall + 0.03
            end = 0.008 if status == "complete_collapse" else 0.9
            row["eval/spread"] = end + (0.2 - end) * fall
            row["eval/rankme"] = loss.rank + 60 * fall
            row["eval/feature_std"] = 0.7 * row["eval/spread"]
            row["eval/probe_rmse"] = loss.probe_rmse + 3 * fall
        if status == "diverged" and step == done:
            row["train/loss"] = row["train/aux"] = float("nan")
        yield MetricsRow(step=step, values=row)


def _evaluate(
    success: Mapping[str, float], seed: int, tasks: int, rng: np.random.Generator, seed_sd: float
) -> dict[str, dict[str, Any]]:
    """Per-task rows: a task is solved when its difficulty, shared by seed, is below the rate."""
    shared = np.random.default_rng([seed, 1])
    effect = seed_sd * np.sqrt(0.5) * (shared.normal() + rng.normal())
    rows = {}
    for kind, rate in success.items():
        difficulty = 0.5 * shared.random(tasks) + 0.5 * rng.random(tasks)
        ranks = (difficulty.argsort().argsort() + 0.5) / tasks
        solved = ranks < np.clip(rate + (effect if 0 < rate < 1 else 0), 0, 1)
        distance = np.where(solved, 1 + rng.random(tasks), 4 + 12 * rng.random(tasks))
        used = rng.integers(4, 25, tasks)
        rows[kind] = {
            "success": solved.tolist(),
            "final_distance": distance.tolist(),
            "steps": [int(n) if ok else None for n, ok in zip(used, solved, strict=True)],
        }
    return rows


def _planning(rows: Mapping[str, Any]) -> dict[str, float | None]:
    metrics: dict[str, float | None] = {}
    for kind, row in rows.items():
        steps = [n for n in row["steps"] if n is not None]
        metrics[f"eval/success_{kind}"] = float(np.mean(row["success"]))
        metrics[f"eval/distance_{kind}"] = float(np.mean(row["final_distance"]))
        metrics[f"eval/steps_{kind}"] = float(np.mean(steps)) if steps else None
    return metrics


def _metrics(
    loss: Loss, rows: Mapping[str, Any], rng: np.random.Generator
) -> dict[str, float | None]:
    """All final metrics of a run."""
    rmse = loss.probe_rmse * float(np.exp(0.1 * rng.normal()))
    spread = 0.008 if loss.status == "complete_collapse" else 0.9
    return {
        "eval/probe_r2": 1 - (rmse / 13) ** 2,
        "eval/probe_rmse": rmse,
        **{f"eval/rollout_rmse_{k}": rmse * (1 + 0.1 * k) for k in (1, 8, 16)},
        **{f"eval/rollout_relative_{k}": 0.02 * k + 0.1 * rng.random() for k in (1, 8, 16)},
        "eval/spread": spread + 0.01 * rng.random(),
        "eval/feature_std": 0.7 * spread,
        "eval/rankme": loss.rank + rng.normal(),
        "eval/participation_ratio": 0.6 * loss.rank + rng.normal(),
        "eval/alpha_req": 1.1 + 0.1 * rng.random(),
        "eval/lidar": 0.8 * loss.rank + rng.normal(),
        **_planning(rows),
    }


def _summary(
    loss: Loss,
    status: Status,
    metrics: dict[str, float | None],
    seed: int,
    tasks: int,
    rng: np.random.Generator,
) -> SummaryFile:
    untrained_loss = Loss(name="untrained", success=FLOORS["untrained"], probe_rmse=3.8, rank=99)
    untrained_rows = _floor_rows("untrained", seed, tasks)
    untrained_rng = np.random.default_rng([seed, 2])
    collapsed = status.endswith("collapse")
    return SummaryFile(
        schema_version=SCHEMA_VERSION,
        status=status,
        collapsed_at=150 if collapsed else None,
        diverged=Divergence(step=370, term="train/aux") if status == "diverged" else None,
        alarms=[Alarm(step=150, message="spread below 0.02")] if collapsed else [],
        metrics=metrics,
        untrained=_metrics(untrained_loss, untrained_rows, untrained_rng),
        evaluation="0a1b2c3d",
        floors={policy: _floor_key(policy, seed) for policy in FLOORS},
        steps=600,
        parameters={"encoder": 150_000, "predictor": 141_000},
        compile="off",
        versions={"jepa_compare": "0.1.0", "python": "3.11.7", "torch": "2.13.0"},
        hardware=HARDWARE,
        git=Commit(commit="291c07a", dirty=False),
        flags={},
        environment={},
        seconds=Seconds(
            train=34 + rng.random(),
            interim_evaluations=0.9,
            evaluation=9.1,
            total=44 + rng.random(),
        ),
        samples_per_second=560 + 10 * rng.random(),
        peak_memory_bytes=600_000_000,
        command=["python", "-m", "jepa_compare.train", "-m", "aux_loss=vicreg,dino"],
    )


def _floor_key(policy: str, seed: int) -> str:
    return f"{policy}-s{seed}" if policy == "untrained" else f"{policy}-1234abcd"


def _floor_rows(policy: str, seed: int, tasks: int) -> dict[str, dict[str, Any]]:
    # Only an untrained encoder depends on the seed; the tasks are the same for all of a seed.
    drawn = seed if policy == "untrained" else 0
    rng = np.random.default_rng([drawn, 3, list(FLOORS).index(policy)])
    return _evaluate(FLOORS[policy], drawn, tasks, rng, 0.0)


def _write_floors(sweep: Path, seed: int, tasks: int) -> None:
    for policy in FLOORS:
        path = sweep / layout.FLOORS / f"{_floor_key(policy, seed)}.json"
        if path.exists():
            continue
        rows = _floor_rows(policy, seed, tasks)
        _write(
            path,
            FloorFile(
                schema_version=SCHEMA_VERSION,
                policy=policy,
                seed=seed if policy == "untrained" else None,
                metrics=_planning(rows),
                tasks=rows,
            ),
        )


def _episodes(rng: np.random.Generator) -> dict[str, list[Episode]]:
    """Two recorded episodes per kind: a straight walk past the wall's door."""
    walls = [[14.5, 0.0, 16.5, 12.0], [14.5, 19.0, 16.5, 31.0]]
    episodes: dict[str, list[Episode]] = {}
    for kind in KINDS:
        episodes[kind] = []
        for task in range(2):
            start, goal = rng.uniform(3, 28, (2, 2))
            path = start + np.linspace(0, 1, 12)[:, None] * (goal - start)
            episodes[kind].append(
                Episode(
                    task=task,
                    success=task == 0,
                    path=path.tolist(),
                    goal=goal.tolist(),
                    walls=walls,
                )
            )
    return episodes


def _write_figures(path: Path, seed: int) -> None:
    """Tiny but valid pictures: one colour of 4x4 PNG, and a GIF of one pixel."""
    row = b"\x00" + bytes([40 + 20 * (seed % 8), 90, 160]) * 4
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(row * 4)),
        (b"IEND", b""),
    ]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    gif = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00"
    gif += b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
    folder = path / layout.FIGURES
    folder.mkdir(exist_ok=True)
    (folder / "rollouts.png").write_bytes(png)
    (folder / "planning.gif").write_bytes(gif)


def _write_rows(path: Path, rows: Iterable[MetricsRow]) -> None:
    text = "".join(_json({"step": row.step, **row.values}) + "\n" for row in rows)
    if text:
        (path / layout.METRICS).write_text(text)


def _write(path: Path, record: Any) -> None:
    """Plain writes: atomic ones wait for the disk, which ten thousand runs cannot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_json(encode(record)))


def _json(value: Any) -> str:
    """As `files.to_json`, whose recursion is slow where shapes are checked, as in tests."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return files.to_json(value)
