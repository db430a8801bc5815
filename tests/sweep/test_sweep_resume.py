"""Sweeps that are killed and restarted end with the table of an undisturbed one.

Everything here is real: processes, launchers, SIGKILL.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jepa_compare.runs import layout
from jepa_compare.system import files
from tests.support.resume import evaluations
from tests.support.runs import TINY, command, read_status

GRID = ("-m", "aux_loss=none,dino", "seed=0,1", "sweep=killed", "training.steps=60")
LAUNCHERS = {"basic": (), "process": ("hydra/launcher=process", "hydra.launcher.n_jobs=2")}
# What two undisturbed sweeps do not share either: times, the command of a job, a commit meanwhile.
MEASURED = ("seconds", "samples_per_second", "peak_memory", "cost.", "command", "git.")


def without_times(node: Any) -> Any:
    """A comparison without what depends on the clock."""
    if isinstance(node, dict):
        kept = {k: v for k, v in node.items() if not any(m in k for m in MEASURED)}
        return {key: without_times(value) for key, value in kept.items()}
    if isinstance(node, list):
        items = [item for item in node if not (isinstance(item, dict) and measured(item))]
        return [without_times(item) for item in items]
    return node


def measured(item: dict[str, Any]) -> bool:
    return any(m in str(item.get("key", "")) for m in MEASURED)


def table(sweep: Path) -> Any:
    return without_times(files.read_json(sweep / layout.COMPARISON / "comparison.json"))


def floors(sweep: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (sweep / layout.FLOORS).glob("*.json")}


def runs(sweep: Path) -> dict[str, Path]:
    return {path.name: path for path in sorted(sweep.glob("*_s*_????????"))}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("undisturbed")
    command(*GRID, cwd=root)
    return root / "multirun" / "killed"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_sweep_killed_at_random_ends_with_the_same_table(
    tmp_path: Path, undisturbed: Path, launcher: str
) -> None:
    """Six deaths, of the launcher, of a job or of both, then once more to the end."""
    line = [sys.executable, "-m", "jepa_compare.train", *GRID, *LAUNCHERS[launcher], *TINY]
    sweep, draw = tmp_path / "multirun" / "killed", random.Random(launcher)
    for number in range(6):
        with (tmp_path / "output").open("ab") as output:
            process = subprocess.Popen(line, cwd=tmp_path, stdout=output, stderr=output)
        began = time.time()
        wait_for_a_job(process, sweep, began)
        time.sleep(draw.uniform(0, 1.5))
        victims = jobs_of(sweep, began) if launcher == "process" else []
        if number % 3 != 0 or not victims:  # else the launcher goes on with the next jobs
            process.kill()
        for victim in victims[: number % 3 != 1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        if number % 3 == 0 and victims:
            time.sleep(2.0)
            process.kill()
        process.wait()
    command(*GRID, *LAUNCHERS[launcher], cwd=tmp_path)
    assert runs(sweep).keys() == runs(undisturbed).keys()
    for name, directory in runs(sweep).items():
        for file in (layout.METRICS, layout.EXPORT):
            assert (directory / file).read_bytes() == (undisturbed / name / file).read_bytes()
        assert evaluations(directory) == evaluations(undisturbed / name)
        assert read_status(directory)["state"] == "completed"
    assert floors(sweep) == floors(undisturbed)
    assert table(sweep) == table(undisturbed)


def wait_for_a_job(process: subprocess.Popen[bytes], sweep: Path, began: float) -> None:
    """Until a job of this attempt has begun, or nothing is left to do."""
    deadline = time.monotonic() + 60
    while process.poll() is None and not jobs_of(sweep, began):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def jobs_of(sweep: Path, began: float) -> list[int]:
    """The processes of the jobs that have begun since `began` and run."""
    found = [read_status(directory) for directory in runs(sweep).values()]
    return [
        status["pid"]
        for status in found
        if status.get("state") == "running" and status["started"] > began
    ]
