"""Work that grows with the number of runs and no faster, counted and not timed.

scripts/benchmark/aggregate.py measures time and memory of 10,000 runs.
"""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from jepa_compare.comparison import compare, load_runs
from jepa_compare.comparison import pairs as pairing
from jepa_compare.runs import layout
from tests.support.synthetic import DEFAULT_LOSSES, Sweep

ROOT = Path(__file__).resolve().parents[2]
LOSSES = {name: DEFAULT_LOSSES[name] for name in ("vicreg", "dino")}


def opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often `load_runs` and `compare` open a file, by the file's name."""
    counts: Counter[str] = Counter()
    original = os.open

    def count(file: Any, *arguments: Any, **options: Any) -> int:
        counts[Path(file).parent.name if "0" in Path(file).name else Path(file).name] += 1
        return original(file, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr("os.open", count)
        compare(load_runs(path))
    return counts


def test_each_file_of_a_run_is_opened_a_fixed_number_of_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once to be read and once for its digest; the rows of metrics also for the last one."""
    times = {
        layout.CONFIG: 2,
        layout.STATUS: 1,
        layout.SUMMARY: 2,
        layout.METRICS: 3,
        layout.EVALUATIONS: 2,
    }
    for seeds in (2, 6):
        path = tmp_path / str(seeds)
        Sweep(path=path, losses=LOSSES, seeds=range(seeds), tasks=10).write()
        runs = 2 * seeds
        counts = opened(path, monkeypatch)
        assert {name: counts.pop(name) / runs for name in times} == times
        shared = counts.pop(layout.FLOORS) + counts.pop("door_script-1234abcd.json", 0)
        assert shared + counts.total() <= 2 * (5 + seeds)  # a floor of the sweep, one per seed


def test_the_work_of_a_comparison_grows_linearly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores looked up per run do not depend on how many runs there are."""
    calls: list[float] = []
    for seeds in (4, 8, 16):
        path = tmp_path / str(seeds)
        Sweep(path=path, losses=LOSSES, seeds=range(seeds), tasks=10).write()
        runs = load_runs(path)
        count = 0
        original = pairing.score

        def score(*arguments: Any, original: Any = original) -> float:
            nonlocal count
            count += 1
            return original(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(pairing, "score", score)
            compare(runs)
        calls.append(count / len(runs))
    assert calls[0] == calls[1] == calls[2]


@pytest.mark.slow
def test_the_benchmark_prints_its_table(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "benchmark" / "aggregate.py"
    command = [sys.executable, str(script), "20", "40", "--keep", str(tmp_path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.findall(
        r"^\| (\d+) \| [\d.]+ \| [\d.]+ \| [\d.]+ \| \d+ \|$", text, re.MULTILINE
    ) == [
        "20",
        "40",
    ]
