"""The benchmarks: their rounds, their gate before any time is shown, and that each one runs."""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

FOLDER = Path(__file__).parent.parent.parent / "scripts" / "benchmark"
CPU = torch.device("cpu")


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a benchmark as `python scripts/benchmark/<name>.py` would."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def loaded(name: str) -> ModuleType:
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    return loaded


@pytest.mark.parametrize(
    "name", ["losses", "step", "data", "start", "sweep", "checkpoint", "evaluation", "answer"]
)
def test_every_benchmark_says_how_it_is_called(
    load: Any, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit, match="0"):
        load(name).main()
    shown = capsys.readouterr().out
    assert f"python scripts/benchmark/{name}.py" in shown
    for option in ("--device", "--rounds", "--json"):
        assert option in shown


def test_a_round_calls_every_candidate_once_and_the_first_one_changes(load: Any) -> None:
    common = load("common")
    calls: list[str] = []
    candidates = {name: lambda name=name: calls.append(name) for name in "abc"}
    seconds = common.interleave(candidates, rounds=3, device=CPU, warmup=1)
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3, "c": 3}
    rounds = [calls[i : i + 3] for i in range(0, 12, 3)]
    assert all(sorted(turn) == ["a", "b", "c"] for turn in rounds)
    assert {turn[0] for turn in rounds[1:]} == {"a", "b", "c"}


def test_a_ratio_is_taken_within_a_round(load: Any) -> None:
    common = load("common")
    # A machine that is ten times slower in the second half changes no ratio.
    spread = common.ratio([2.0, 2.0, 20.0, 22.0], [1.0, 1.0, 10.0, 10.0])
    assert spread["median"] == spread["low"] == 2.0
    assert spread["high"] == pytest.approx(2.05)
    assert common.show_ratio(spread) == "2.00 [2.00, 2.05]"


def test_flops_and_bytes_are_counted(load: Any) -> None:
    common = load("common")
    a = torch.randn(64, 32)
    assert common.flops(lambda: a @ a.T) == 2 * 64 * 64 * 32
    assert common.peak_bytes(lambda: (a @ a.T, a @ a.T), CPU) == 2 * 64 * 64 * 4


@pytest.mark.parametrize("loss", ["vicreg", "barlow_twins", "sigreg", "dino"])
def test_a_peer_of_another_value_stops_the_benchmark(load: Any, loss: str) -> None:
    losses = load("losses")
    true = losses.MAKERS[loss](12, 24, {}, CPU)
    assert set(losses.errors(true)) == {"ours"}
    peers = {"right": true.textbook, "wrong": lambda *z: 1.01 * true.textbook(*z)}
    case = losses.Case(loss, true.shape, true.inputs, true.ours, true.textbook, peers)
    with pytest.raises(SystemExit, match=r"\(12, 24\): wrong is off by .* no times"):
        list(losses.measure(case, 1, CPU, 1.0))
    del peers["wrong"]
    (row,) = losses.measure(case, 2, CPU, 1.0)
    assert row["peer"] == "right" and row["numbers"]["flops"] >= 0
    assert len(row["numbers"]["seconds"]["ours"]) == 2


def test_the_losses_benchmark_writes_its_numbers(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    losses = load("losses")
    monkeypatch.setattr(losses, "SHAPES", {"vicreg": [(12, 24)], "dino": [(8, 16)]})
    monkeypatch.setattr(losses.common, "limits", lambda device: {"gemm_gflops": 1.0})
    file = tmp_path / "losses.json"
    monkeypatch.setattr(sys, "argv", ["losses.py", "--rounds", "2", "--json", str(file)])
    losses.main()
    shown = capsys.readouterr().out
    assert "| vicreg " in shown and "12×24" in shown
    stored = json.loads(file.read_text())
    assert {row["loss"] for row in stored["table"]} == {"vicreg", "dino"}
    assert stored["machine"]["threads"] == torch.get_num_threads()


def test_a_missing_checkout_is_named_and_left_out(
    load: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load("peers").find(tmp_path)
    shown = capsys.readouterr().out
    for name in ("vicreg", "barlowtwins", "dino", "solo-learn", "eb_jepa"):
        assert f"{name}: not here" in shown


SMALL = ("training=smoke", "evaluation=fast", "training.batch_size=4")


def test_the_step_is_timed_beside_its_limit(load: Any) -> None:
    step = load("step")
    step.common.gemm_rate = lambda device, dtype: 1e9
    tiny = ["training=smoke", "evaluation=fast", "training.batch_size=4"]
    row = step.measure(
        step.common.composed("cpu", 1, ["aux_loss=vicreg", *tiny]), rounds=2, steps=1
    )
    assert row["loss"] == "vicreg" and row["numbers"]["flops"] > 0
    assert {len(values) for values in row["numbers"]["seconds"].values()} == {2}


@pytest.mark.parametrize(("name", "rows"), [("checkpoint", 1), ("evaluation", 5)])
def test_a_benchmark_of_a_run_writes_its_numbers_and_leaves_nothing(
    load: Any, name: str, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = load(name)
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    here = []
    real = benchmark.common.interleave

    def spy(*arguments: Any) -> Any:
        here.extend(tmp_path.iterdir())  # what would stay if it were killed now
        return real(*arguments)

    monkeypatch.setattr(benchmark.common, "interleave", spy)
    few = ("evaluation.planning.tasks=2", "evaluation.planning.steps=2", "device=cpu")
    options = ("--rounds", "1", "--threads", str(threads), "--json", "numbers.json")
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *options, *SMALL, *few])
    benchmark.main()
    assert here == [] and [path.name for path in tmp_path.iterdir()] == ["numbers.json"]
    stored = json.loads((tmp_path / "numbers.json").read_text())
    assert len(stored["table"]) == rows
    assert {len(values) for values in stored["seconds"].values()} == {1}


def test_a_sweep_runs_the_same_jobs_both_ways(load: Any) -> None:
    serial, at_once = load("sweep").commands(4, 2, 1, "cpu", ["training=quick"]).values()
    assert "hydra/launcher=process" in at_once and "hydra/launcher=process" not in serial
    for shared in ("seed=0,1,2,3", "training=quick", "training.num_threads=1"):
        assert shared in serial and shared in at_once


def test_each_second_belongs_to_the_innermost_phase(
    load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, now = load("phases"), [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(module.os, "times", lambda: (now[0], 0.0, 2 * now[0], 0.0, now[0]))
    phases = module.Phases()

    def passing(seconds: float, then: Any = None) -> Any:
        now[0] += seconds
        return then() if then else None

    interim = phases.timed("interim evaluations", lambda: passing(2))
    passing(1)
    phases.timed("training", lambda: passing(4, interim))()
    with pytest.raises(ZeroDivisionError):
        phases.timed("comparison", lambda: passing(8, lambda: 1 / 0))()
    passing(16)
    phases.count()
    wall = {name: seconds[1] for name, seconds in phases.taken.items() if seconds[1]}
    assert wall == {module.REST: 17, "interim evaluations": 2, "training": 4, "comparison": 8}
    assert phases.taken["training"] == [12, 4]  # threads and children count


def test_every_phase_is_a_function_of_the_package(load: Any) -> None:
    for module, name in load("phases").FUNCTIONS.values():
        assert callable(getattr(importlib.import_module(module), name))


def test_two_commits_are_compared_within_a_repeat(load: Any) -> None:
    taken = {"this": {"training": [[1.0, 5.0], [10.0, 5.0]]}}
    taken["other"] = {"training": [[2.0, 5.0], [20.0, 5.0]]}
    (row,) = load("answer").rows_of(taken)
    assert row["ratio of CPU s"] == "0.50 [0.50, 0.50]" and row["this, CPU s"].startswith("5.50")
