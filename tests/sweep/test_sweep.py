"""Sweeps as a user starts them: subprocesses, launchers, resume, failures, other packages."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from jepa_compare.checks import ConfigError
from jepa_compare.runs import layout
from jepa_compare.runs.writer import read_status
from jepa_compare.sweep import entry
from jepa_compare.sweep.plan import parse_command_line
from jepa_compare.system import files
from tests.support.runs import TINY, command, rows

ROOT = Path(__file__).parents[2]


def named_runs(sweep: Path) -> dict[str, Path]:
    return {path.name[:-9]: path for path in runs_of(sweep)}


def runs_of(sweep: Path, name: str = "*") -> list[Path]:
    return sorted(sweep.glob(f"{name}_s*_????????"))


def test_the_main_command_ends_with_its_table_and_aggregates_again(tmp_path: Path) -> None:
    result = command("-m", "aux_loss=vicreg,barlow,dino", "sweep=main", cwd=tmp_path)
    sweep = tmp_path / "multirun" / "main"
    assert set(named_runs(sweep)) == {"vicreg_s0", "barlow_twins_s0", "dino_s0"}
    for name in ("vicreg", "barlow_twins", "dino", "straight line", "oracle dynamics"):
        assert name in result.stdout
    assert "no interval, no test and no winner" in result.stdout
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
    assert result.stderr.strip() == "jepa_compare: seed=-1: must be at least 0"
    assert list(tmp_path.iterdir()) == []


LOSS = """
import gc
import os
import weakref

import torch

from jepa_compare.losses.base import AuxLoss, AuxOutput

ALIVE = weakref.WeakSet()


class L2(AuxLoss):
    def __init__(self, *, dim: int, power: float) -> None:
        super().__init__()
        gc.collect()
        print(f"other losses in memory: {len(ALIVE)}")
        ALIVE.add(self)
        self.power = power

    def forward(self, latents):
        if self.power == 3:
            raise torch.OutOfMemoryError("the GPU is too small")
        if self.power == 5 and "PROCESS" in os.environ:
            os.kill(os.getpid(), 9)
        loss = latents.z_pred.float().abs().pow(self.power).mean()
        if self.power == 4:
            loss = loss / 0
        return AuxOutput(loss=loss, terms={"norm": loss.detach()})
"""
YAML = """
name: l2
weight: 0.1
target: stop_grad
target_decay: 0.99
_target_: my_lab.losses.L2
power: 2.0
"""


def make_package(root: Path) -> None:
    (root / "my_lab" / "conf" / "aux_loss").mkdir(parents=True)
    (root / "my_lab" / "__init__.py").touch()
    (root / "my_lab" / "conf" / "__init__.py").touch()
    (root / "my_lab" / "losses.py").write_text(LOSS)
    (root / "my_lab" / "conf" / "aux_loss" / "l2.yaml").write_text(YAML)


def test_a_loss_from_elsewhere_joins_a_sweep(tmp_path: Path) -> None:
    make_package(tmp_path)
    search = "hydra.searchpath=[pkg://my_lab.conf]"
    result = command("-m", "aux_loss=none,l2", search, "sweep=theirs", cwd=tmp_path)
    runs = named_runs(tmp_path / "multirun" / "theirs")
    assert set(runs) == {"none_s0", "l2_s0"}
    assert "aux/norm" in rows(runs["l2_s0"])[0]
    assert "l2" in result.stdout


@pytest.mark.parametrize("launcher", ["basic", pytest.param("process", marks=pytest.mark.slow)])
def test_failed_jobs_are_listed_repeated_and_alone(tmp_path: Path, launcher: str) -> None:
    """Out of memory, not finite, killed (in a process of its own): each is a job's own affair."""
    make_package(tmp_path)
    process = launcher == "process"
    arguments = (
        "-m",
        *(("hydra/launcher=process", "hydra.launcher.n_jobs=2") if process else ()),
        "hydra.searchpath=[pkg://my_lab.conf]",
        "aux_loss=l2",
        "aux_loss.power=3.0,4.0,5.0,1.0",
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
    ):
        name, log = by_power[power].name, by_power[power] / layout.LOG
        listed = [line for line in result.stderr.splitlines() if f"{name} failed: {reason}" in line]
        assert len(listed) == (process or power != 5.0)
        assert all(f"(log: {log.relative_to(tmp_path)})" in line for line in listed)
        assert not listed or log.exists()
    assert "in memory: 1" not in result.stdout  # a failed job has let go of what it held
    states = {power: read_status(path)["state"] for power, path in by_power.items()}
    assert states == {
        3.0: "failed",
        4.0: "failed",
        5.0: "failed" if process else "completed",
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


def start(*arguments: str, cwd: Path) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-m", "jepa_compare.train", *arguments, *TINY]
    with (cwd / "output").open("ab") as output:
        return subprocess.Popen(line, cwd=cwd, stdout=output, stderr=output)


def wait_for(condition: object, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # pyright: ignore[reportCallIssue]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_sweeps_do_not_write_into_one_directory(tmp_path: Path) -> None:
    first = start("-m", "seed=0,1", "sweep=same", "training.steps=400", cwd=tmp_path)
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


def test_evaluate_again_beside_the_first(tmp_path: Path) -> None:
    command("aux_loss=vicreg", "hydra.run.dir=run", cwd=tmp_path)
    first = {p: p.read_bytes() for p in (tmp_path / "run" / "evaluations").iterdir()}
    line = [sys.executable, "-m", "jepa_compare.evaluate", "run", "evaluation.planning.tasks=3"]
    subprocess.run(line, cwd=tmp_path, check=True, capture_output=True)
    assert len(list((tmp_path / "run" / "evaluations").iterdir())) == 2
    assert all(path.read_bytes() == content for path, content in first.items())
    for arguments, message in (
        (["nothing"], "holds no finished run"),
        (["run", "evaluation.planning.kinds=[up]"], "evaluation.planning.kinds=up"),
        (["run", "training.lr=1"], "only evaluation=..."),
    ):
        line = [sys.executable, "-m", "jepa_compare.evaluate", *arguments]
        result = subprocess.run(line, cwd=tmp_path, check=False, capture_output=True, text=True)
        assert result.returncode == 2
        assert message in result.stderr and result.stderr.count("\n") == 1


def compare(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "jepa_compare.cli", *arguments]
    return subprocess.run(line, cwd=cwd, check=False, capture_output=True, text=True)


def test_reproduce_and_status(tmp_path: Path) -> None:
    command("aux_loss=vicreg", "hydra.run.dir=run", cwd=tmp_path)
    result = compare("reproduce", "run", "--out", "again", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, "run: all metrics equal, bit for bit\n")
    refused = compare("reproduce", "run", "--out", "again", cwd=tmp_path)
    assert refused.returncode == 1 and "again is not empty" in refused.stderr
    shown = compare("status", "run", cwd=tmp_path)
    assert "20/20" in shown.stdout

    # A number that was changed by hand, and other surroundings, are named.
    metrics, summary = tmp_path / "run" / layout.METRICS, tmp_path / "run" / layout.SUMMARY
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    lines[2]["train/loss"] += 1e-9
    metrics.write_text("".join(files.to_json(line) + "\n" for line in lines))
    tampered = files.read_json(summary)
    tampered["versions"]["torch"] = "1.0"
    files.write_json(summary, tampered)
    result = compare("reproduce", "run", cwd=tmp_path)
    assert result.returncode == 1
    assert "differs: versions.torch: 1.0 -> " in result.stdout
    assert f"step {lines[2]['step']}, train/loss: {lines[2]['train/loss']} -> " in result.stderr


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
    both = [start("-m", "seed=0,1", "training.steps=2", cwd=tmp_path) for _ in range(2)]
    assert [process.wait(200) for process in both] == [0, 0], (tmp_path / "output").read_text()
    sweeps = sorted((tmp_path / "multirun").iterdir())
    assert len(sweeps) == 2
    for sweep in sweeps:
        assert all(read_status(path)["state"] == "completed" for path in runs_of(sweep))
        assert set(named_runs(sweep)) == {"vicreg_s0", "vicreg_s1"}


def test_several_jobs_of_one_directory_need_the_disk_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    grid = ["sweep=mine", "aux_loss=barlow,barlow_twins", "evaluation.seed=0,1", *TINY]
    jobs = parse_command_line(grid, multirun=True).jobs
    assert len(jobs) == 4 and len({job.directory for job in jobs}) == 1
    free = type("Usage", (), {"free": 0})
    monkeypatch.setattr(entry.shutil, "disk_usage", lambda _: free)
    with pytest.raises(ConfigError, match="the checkpoints of 1 runs need"):
        entry.check(jobs)


@pytest.mark.slow
def test_jobs_of_one_directory_are_one_run_and_its_evaluations(tmp_path: Path) -> None:
    grid = ("-m", "aux_loss=barlow,barlow_twins", "evaluation.seed=0,1", "sweep=mine")
    command(*grid, "hydra/launcher=process", "hydra.launcher.n_jobs=4", cwd=tmp_path)
    (run,) = runs_of(tmp_path / "multirun" / "mine")
    assert read_status(run)["state"] == "completed"
    assert len(list((run / layout.EVALUATIONS).iterdir())) == 2


def test_a_changed_config_is_another_directory_and_the_difference_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jepa_compare.report.write_comparison", lambda *_, **__: "")
    directories = []
    for lr in ("0.001", "0.002", "0.002"):
        jobs = parse_command_line(
            ["sweep=mine", "seed=0,1", f"training.lr={lr}", *TINY], multirun=True
        ).jobs
        entry.check(jobs)  # makes the first directory
        with entry.sweep(jobs):
            directories.append([job.directory for job in jobs])
        message = capsys.readouterr().err
        if len(directories) == 2:
            for old, new in zip(*directories, strict=True):
                line = f"{new.name} is another run than {old.name}: training.lr: 0.001 -> 0.002"
                assert f"jepa_compare: {line}\n" in message
        else:
            assert message == ""
    assert not set(directories[0]) & set(directories[1])
    assert directories[1] == directories[2]

    # A damaged config of another run is passed over, not ours to fail on.
    (directories[0][0] / layout.CONFIG).write_text('{"config": {"trai')
    grid = ["sweep=mine", "seed=0", "training.lr=0.003", *TINY]
    with entry.sweep(parse_command_line(grid, multirun=True).jobs):
        message = capsys.readouterr().err
    assert directories[0][0].name not in message and directories[1][0].name in message


@pytest.mark.slow
def test_a_wheel_runs_in_a_clean_environment_from_an_empty_directory(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    scripts = tmp_path / "venv" / "bin"
    install = [scripts / "python", "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, capture_output=True)
    # What it depends on is here already; an editable install there does not come along.
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def call(*line: str | Path) -> str:
        result = subprocess.run(
            line, cwd=empty, env=environment, check=False, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    where = call(scripts / "python", "-c", "import jepa_compare; print(jepa_compare.__file__)")
    assert where.startswith(str(site))
    grid = ("-m", "aux_loss=dino,none", "sweep=s", *TINY)
    call(scripts / "jepa-train", *grid, "hydra/launcher=process")
    assert call(scripts / "python", "-m", "jepa_compare.train", *grid).count("skipped") == 2
    assert "2 " in call(scripts / "jepa-compare", "status", "multirun")
    assert "dino" in call(scripts / "jepa-compare", "report", "multirun")
