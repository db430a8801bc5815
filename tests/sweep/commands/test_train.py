"""Sweeps as a user starts them: subprocesses, launchers, repeated commands, failures."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jepa_compare.runs import layout
from jepa_compare.system import files
from tests.support.package import LOSS, make_package
from tests.support.runs import command, named_runs, read_status, runs_of, start_command

ROOT = Path(__file__).parents[3]


def test_the_main_command_ends_with_its_table_and_aggregates_again(tmp_path: Path) -> None:
    result = command("-m", "aux_loss=vicreg,barlow,dino", "sweep=main", cwd=tmp_path)
    sweep = tmp_path / "multirun" / "main"
    assert set(named_runs(sweep)) == {"vicreg_s0", "barlow_twins_s0", "dino_s0"}
    for name in ("vicreg", "barlow_twins", "dino", "straight line", "true dynamics, geodesic cost"):
        assert name in result.stdout
    assert "no interval, no test and no row leads" in result.stdout
    written = {path.name for path in (sweep / layout.COMPARISON).iterdir()}
    assert {"report.html", "comparison.json", "comparison_summary.txt", "figures"} <= written
    assert "not drawn" not in result.stderr
    script = [sys.executable, str(ROOT / "scripts" / "aggregate.py"), "multirun"]
    again = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "vicreg" in again.stdout
    assert (tmp_path / "multirun" / "comparison" / "comparison.md").exists()

    # The same command again does nothing; a larger grid adds what is new.
    before = {path: path.stat().st_mtime_ns for path in sweep.glob(f"*/{layout.SUMMARY}")}
    again = command("-m", "aux_loss=vicreg,barlow,dino", "sweep=main", cwd=tmp_path)
    assert again.stdout.count("is complete: skipped") == 3
    extended = command("-m", "aux_loss=vicreg", "seed=0,1", "sweep=main", cwd=tmp_path)
    assert extended.stdout.count("is complete: skipped") == 1
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(runs_of(sweep)) == 4


def test_a_mistake_in_the_last_job_costs_nothing(tmp_path: Path) -> None:
    result = command("-m", "aux_loss=vicreg", "seed=0,-1", cwd=tmp_path, check=False)
    assert result.returncode == 2
    assert result.stderr.strip() == "jepa_compare: seed=-1: must be at least 0 (in the job seed=-1)"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("launcher", ["basic", pytest.param("process", marks=pytest.mark.slow)])
def test_failed_jobs_are_listed_repeated_and_alone(tmp_path: Path, launcher: str) -> None:
    """Out of memory, not finite, killed (in a process of its own), left with exit status 0: each is
    a job's own affair, and none is taken for success."""
    make_package(tmp_path)
    process = launcher == "process"
    arguments = (
        "-m",
        *(("hydra/launcher=process", "hydra.launcher.n_jobs=2") if process else ()),
        "hydra.searchpath=[pkg://my_lab.conf]",
        "aux_loss=l2",
        "aux_loss.power=3.0,4.0,5.0,6.0,1.0",
        "sweep=broken",
    )
    environment = {"PROCESS": "1"} if process else {}
    result = command(*arguments, cwd=tmp_path, check=False, **environment)  # pyright: ignore
    sweep = tmp_path / "multirun" / "broken"
    by_power = {
        files.read_json(path / layout.CONFIG)["config"]["aux_loss"]["power"]: path
        for path in runs_of(sweep, "l2")
    }
    assert result.returncode == 1
    for power, reason in (
        (3.0, "OutOfMemoryError: the GPU is too small"),
        (4.0, "Diverged: aux/norm was not finite at step 0"),
        (5.0, "JobDied: was killed by SIGKILL"),
        (6.0, "JobDied: ended with exit status 0" if process else "SystemExit: 0"),
    ):
        name, log = by_power[power].name, by_power[power] / layout.LOG
        listed = [line for line in result.stderr.splitlines() if f"{name} failed: {reason}" in line]
        assert len(listed) == (process or power != 5.0)
        assert all(f"(log: {log.relative_to(tmp_path)})" in line for line in listed)
        assert not listed or log.exists()
    assert result.stderr.endswith(
        "not complete: 4; the same command with sweep=broken continues\n"
        if process
        else "not complete: 3; the same command with sweep=broken continues\n"
    )
    assert "in memory: 1" not in result.stdout  # a failed job has let go of what it held
    states = {power: read_status(path)["state"] for power, path in by_power.items()}
    assert states == {
        3.0: "failed",
        4.0: "failed",
        5.0: "failed" if process else "completed",
        6.0: "failed",
        1.0: "completed",
    }
    assert "failed" in result.stdout  # in the table

    before = {power: read_status(path) for power, path in by_power.items()}
    fixed = LOSS.replace("self.power ==", "self.power == 10 *")
    (tmp_path / "my_lab" / "losses.py").write_text(fixed)
    command(*arguments, cwd=tmp_path)
    for power, path in by_power.items():
        repeated = read_status(path) != before[power]
        assert repeated == (states[power] == "failed")  # those alone
        assert read_status(path)["state"] == "completed"


def wait_for(condition: object, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # pyright: ignore[reportCallIssue]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_sweeps_do_not_write_into_one_directory(tmp_path: Path) -> None:
    first = start_command("-m", "seed=0,1", "sweep=same", "training.steps=400", cwd=tmp_path)
    try:
        sweep = tmp_path / "multirun" / "same"
        wait_for(lambda: list(sweep.glob(f"*/{layout.METRICS}")))
        second = command("-m", "seed=0,1", "sweep=same", cwd=tmp_path, check=False)
        assert second.returncode == 2
        assert "is being written by process" in second.stderr
    finally:
        first.terminate()
        first.wait(30)
    assert first.returncode == 128 + signal.SIGTERM


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["two_rooms_random_wall_small"])
def test_a_preset_runs_as_it_is(tmp_path: Path, preset: str) -> None:
    command(
        f"experiment={preset}",
        "tracking=disabled",
        "evaluation.figures.enabled=false",
        "hydra.run.dir=run",
        cwd=tmp_path,
        tiny=(),
    )
    assert read_status(tmp_path / "run")["state"] == "completed"


@pytest.mark.slow
def test_two_sweeps_of_the_same_second_are_two_directories(tmp_path: Path) -> None:
    both = [start_command("-m", "seed=0,1", "training.steps=2", cwd=tmp_path) for _ in range(2)]
    assert [process.wait(200) for process in both] == [0, 0], (tmp_path / "output").read_text()
    sweeps = sorted((tmp_path / "multirun").iterdir())
    assert len(sweeps) == 2
    for sweep in sweeps:
        assert all(read_status(path)["state"] == "completed" for path in runs_of(sweep))
        assert set(named_runs(sweep)) == {"vicreg_s0", "vicreg_s1"}


def test_jobs_of_one_directory_are_one_run_and_its_evaluations(tmp_path: Path) -> None:
    """In processes, and in a folder whose name a shell and Hydra would read otherwise."""
    grid = ("-m", "aux_loss=barlow,barlow_twins", "evaluation.seed=0,1", "sweep=mine")
    folder = 'hydra.sweep.dir="it\'s a sweep"'
    command(*grid, folder, "hydra/launcher=process", "hydra.launcher.n_jobs=4", cwd=tmp_path)
    (run,) = runs_of(tmp_path / "it's a sweep")
    assert read_status(run)["state"] == "completed"
    assert len(list((run / layout.EVALUATIONS).iterdir())) == 2
