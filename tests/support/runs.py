"""Small runs for tests: the real program on the real world, as short as it goes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jepa_compare.config.schema import Config
from jepa_compare.runs import layout
from jepa_compare.sweep.job import Job
from jepa_compare.sweep.plan import parse_command_line
from jepa_compare.system import files

if TYPE_CHECKING:
    from jepa_compare.training.state import RunContext, TrainingState

TINY = (
    "training=smoke",
    "evaluation=fast",
    "tracking=disabled",
    "evaluation.figures.enabled=false",
    "evaluation.planning.tasks=2",
    "evaluation.planning.steps=4",
    "training.batch_size=8",
    "training.num_threads=1",
    "device=cpu",
)


def job(*overrides: str) -> Job:
    """One tiny run, composed."""
    return parse_command_line([*TINY, *overrides], multirun=False).jobs[0]


def train(directory: Path, *overrides: str) -> dict[str, Any]:
    """Run it in this process; its summary."""
    from jepa_compare.training import run

    tiny = job(*overrides)
    run(tiny.config, tiny.identity, directory)
    return files.read_json(directory / layout.SUMMARY)


def built(*overrides: str) -> "TrainingState":
    """The state of a tiny run before its first step, without a directory."""
    from jepa_compare.training.state import TrainingState

    return TrainingState.build(job(*overrides).config)


@contextmanager
def training(directory: Path, *overrides: str) -> "Iterator[tuple[TrainingState, RunContext]]":
    """The same in its directory, with what it talks to: what `attempt` takes."""
    from jepa_compare.training.run import opened

    tiny = job(*overrides)
    with opened(tiny.config, tiny.identity, directory) as context:
        yield built(*overrides), context


def before_step(state: "TrainingState", step: int, call: Callable[[], object]) -> None:
    """Have `call` called as the forward pass of `step` begins."""

    def hook(*_: object) -> None:
        if state.step == step:
            call()

    state.objective.register_forward_pre_hook(hook)


def cut(directory: Path, step: int, *overrides: str) -> None:
    """A tiny run that is asked to leave in `step`, and does."""
    from jepa_compare.system.interrupts import Interrupted
    from jepa_compare.training.run import attempt

    with pytest.raises(Interrupted), training(directory, *overrides) as (state, context):
        before_step(state, step, lambda: os.kill(os.getpid(), signal.SIGTERM))
        attempt(state, context)


def command(
    *arguments: str, cwd: Path, check: bool = True, tiny: Sequence[str] = TINY, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`python -m jepa_compare.train` as a user would call it."""
    result = subprocess.run(
        [sys.executable, "-m", "jepa_compare.train", *arguments, *tiny],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={k: v for k, v in (os.environ | environment).items() if v},
        check=False,
    )
    if check and result.returncode:
        raise AssertionError(f"exit {result.returncode}\n{result.stdout}\n{result.stderr}")
    return result


def rows(directory: Path) -> list[dict[str, Any]]:
    """The metrics of a run."""
    return [json.loads(line) for line in (directory / layout.METRICS).read_text().splitlines()]


def config_of(*overrides: str) -> Config:
    """The settings of one run as a user's."""
    return parse_command_line(overrides, multirun=False).jobs[0].config


def hash_of(*overrides: str) -> str:
    """The hash of one run as a user's."""
    return parse_command_line(overrides, multirun=False).jobs[0].identity.hash


def runs_of(sweep: Path, name: str = "*") -> list[Path]:
    """The run directories of a sweep, or of one of its losses."""
    return sorted(sweep.glob(f"{name}_s*_????????"))


def named_runs(sweep: Path) -> dict[str, Path]:
    """The run directories of a sweep, by `<loss>_s<seed>`."""
    return {path.name[:-9]: path for path in runs_of(sweep)}


def start_command(*arguments: str, cwd: Path) -> subprocess.Popen[bytes]:
    """The same, without waiting; both streams into the file `output`."""
    line = [sys.executable, "-m", "jepa_compare.train", *arguments, *TINY]
    with (cwd / "output").open("ab") as output:
        return subprocess.Popen(line, cwd=cwd, stdout=output, stderr=output)


def read_status(directory: Path) -> dict[str, Any]:
    """What status.json of a run says, as it stands on disk; nothing where there is none."""
    path = directory / layout.STATUS
    return json.loads(path.read_text()) if path.exists() else {}
