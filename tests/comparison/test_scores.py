"""Which number a run counts with, and the floors beside the rows."""

import json
from pathlib import Path

import numpy as np
import pytest

from jepa_compare.comparison import compare, load_runs
from jepa_compare.comparison.runs import Run, Runs, TaskRows
from jepa_compare.runs import layout
from jepa_compare.statistics import task_widening
from tests.support.signing import resign
from tests.support.simulated import make_run
from tests.support.synthetic import DEFAULT_LOSSES, Sweep

SUCCESS = "eval/success_detour"
LOSSES = {name: DEFAULT_LOSSES[name] for name in ("vicreg", "dino")}


def test_of_floors_with_one_key_the_first_counts_and_it_is_said(tmp_path: Path) -> None:
    """Two sweeps hold random-1234abcd.json; a floor that nothing measured is in both as null."""
    for name, loss in (("a", "vicreg"), ("b", "dino"), ("c", "dino")):
        Sweep(path=tmp_path / name, losses={loss: LOSSES[loss]}, seeds=range(2)).write()
    assert not any("Floors of one key" in text for text in compare(load_runs(tmp_path)).warnings)
    for name in ("b", "c"):
        file = tmp_path / name / layout.FLOORS / "random-1234abcd.json"
        floor = json.loads(file.read_text())
        floor["metrics"][SUCCESS], floor["tasks"] = 0.25, {}
        file.write_text(json.dumps(floor))
        for run in (tmp_path / name).glob("dino_s*"):
            resign(run)
    comparison = compare(load_runs(tmp_path))
    (random,) = [r for r in comparison.references if r.policy == "random"]
    assert random.estimates[SUCCESS].mean < 0.25
    assert [text for text in comparison.warnings if text.startswith("Floors")] == [
        "Floors of one key with other numbers, the first counts: random-1234abcd."
    ]


def test_a_floor_of_a_sweep_counts_once(tmp_path: Path) -> None:
    path = Sweep(path=tmp_path, losses=LOSSES, seeds=range(3)).write()
    by_policy = {r.policy: r for r in compare(load_runs(path)).references}
    assert by_policy["random"].estimates[SUCCESS].n == 1
    assert by_policy["random"].estimates[SUCCESS].note == ""
    assert sorted(by_policy["untrained"].estimates[SUCCESS].scores) == [0, 1, 2]


def test_the_widening_by_tasks_is_the_median_of_what_each_row_and_pair_has() -> None:
    rng = np.random.default_rng(0)
    easy = rng.uniform(0.1, 0.9, 40)
    outcomes = {  # of "b" every seed has the same rate: no variance, so nothing is known of it
        "a": (rng.uniform(size=(4, 40)) < easy).astype(float),
        "b": np.tile(np.arange(40) % 2, (4, 1)).astype(float),
        "c": (rng.uniform(size=(4, 40)) < easy**2).astype(float),
    }

    def run(loss: str, seed: int, success: np.ndarray) -> Run:
        rows = TaskRows(success=success, final_distance=0 * success, steps=0 * success)
        return make_run(loss, seed, {SUCCESS: float(success.mean())}, tasks={"detour": rows})

    runs = [
        run(loss, seed, row) for loss, table in outcomes.items() for seed, row in enumerate(table)
    ]
    comparison = compare(Runs(runs=tuple(runs), left_out=(), roots=()))
    widening = comparison.task_widening
    assert widening is not None and widening.tasks == 40
    a, b, c = outcomes.values()
    assert widening.row == pytest.approx(np.median([task_widening(a), task_widening(c)]))
    assert widening.row > 1
    pairs = [task_widening(x - y) for x, y in ((a, b), (a, c), (b, c))]
    assert widening.difference == pytest.approx(np.median(pairs))
    assert f"a row's {widening.row:.2f} times" in widening.sentence
    other = [
        make_run(loss, seed, {"eval/probe_rmse": 1.0 + seed}) for loss in "ab" for seed in (0, 1)
    ]
    assert compare(Runs(runs=tuple(other), left_out=(), roots=())).task_widening is None
