"""Small runs for tests: the real program on the real world, as short as it goes."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jepa_compare import run_dir
from jepa_compare.compose import Job, understand

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
    return understand([*TINY, *overrides], multirun=False).jobs[0]


def train(directory: Path, *overrides: str) -> dict[str, Any]:
    """Run it in this process; its summary."""
    from jepa_compare.train import run

    made = job(*overrides)
    run(made.config, made.identity, directory)
    return run_dir.read_json(directory / run_dir.SUMMARY)


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
    return [json.loads(line) for line in (directory / run_dir.METRICS).read_text().splitlines()]
