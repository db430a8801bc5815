"""The floors of the reference task, as the command of docs/reference_task.md prints them."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def floors(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "scripts/floors.py", *arguments]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_floors_of_the_reference_task_are_the_published_ones() -> None:
    """By the published criterion (the last distance) and by PLDM's: random 0 ± 2 %, or what a walk
    of 200 steps passes by accident; straight line 36 to 50 %; door script 100 %."""
    result = floors("experiment=two_rooms_random_wall", "evaluation.planning.tasks=1000")
    assert result.returncode == 0, result.stderr
    title, header, *lines = result.stdout.splitlines()
    assert title == "two_rooms_random_wall: success in % of 1000 tasks per kind and seed"
    assert header.split() == ["door,", "final", "door,", "pldm"]
    rates = {
        line[:14].strip(): [float(rate) for rate in re.findall(r"(\S+) \[", line[14:])]
        for line in lines
    }
    assert set(rates) == {"random", "straight line", "door script"}
    assert rates["random"][0] <= 2 and rates["random"][1] <= 8
    assert all(36 <= rate <= 50 for rate in rates["straight line"])
    assert rates["door script"] == [100, 100]


def test_a_mistake_is_one_line() -> None:
    result = floors("data.substeps=1")
    assert result.returncode == 2
    assert result.stderr.startswith("jepa_compare: data.substeps=1: must be at least 2")
    assert result.stderr.count("\n") == 1
