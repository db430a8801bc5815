"""For the benchmarks that start whole programs: `python -m jepa_compare.train`, timed."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# As short as a run goes: what is left is what a run costs before and after its steps.
TINY = (
    "training=smoke",
    "evaluation=fast",
    "evaluation.figures.enabled=false",
    "evaluation.planning.tasks=2",
    "evaluation.planning.steps=4",
)
TRAIN = (sys.executable, "-m", "jepa_compare.train")


def run(command: Sequence[str], folder: Path, **environment: str) -> float:
    """Seconds that `command` takes in `folder`; stops the benchmark with its words if it fails."""
    begin = time.perf_counter()
    result = subprocess.run(
        list(command),
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )
    seconds = time.perf_counter() - begin
    if result.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {result.returncode}\n{result.stderr[-2000:]}")
    return seconds


def interleave(
    commands: Mapping[str, Sequence[str]], rounds: int, folder: Path
) -> dict[str, list[float]]:
    """Seconds of every command, all of them once in each round; one round before does not count
    (it fills the disk's cache)."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(-1, rounds):
        for name, command in commands.items():
            taken = run([part.format(round=turn + 1) for part in command], folder)
            if turn >= 0:
                seconds[name].append(taken)
    return seconds
