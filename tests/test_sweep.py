"""Sweeps as a user starts them: subprocesses, launchers, resume, failures, other packages."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jepa_compare import run_dir
from jepa_compare.run_writer import read_status
from tests.runs import TINY, command, rows

ROOT = Path(__file__).parent.parent


def runs_of(sweep: Path) -> dict[str, Path]:
    return {path.name[:-9]: path for path in sorted(sweep.glob("*_s*_????????"))}


def test_the_main_command_ends_with_its_table_and_aggregates_again(tmp_path: Path) -> None:
    result = command("-m", "aux_loss=vicreg,barlow,dino", "sweep=main", cwd=tmp_path)
    sweep = tmp_path / "multirun" / "main"
    assert set(runs_of(sweep)) == {"vicreg_s0", "barlow_twins_s0", "dino_s0"}
    for name in ("vicreg", "barlow_twins", "dino", "straight line", "oracle dynamics"):
        assert name in result.stdout
    assert "no interval, no test and no winner" in result.stdout
    written = {path.name for path in (sweep / run_dir.COMPARISON).iterdir()}
    assert {"report.html", "comparison.json", "comparison_summary.txt", "figures"} <= written
    assert "not drawn" not in result.stderr
    script = [sys.executable, str(ROOT / "scripts" / "aggregate.py"), "multirun"]
    again = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "vicreg" in again.stdout
    assert (tmp_path / "multirun" / "comparison" / "comparison.md").exists()

    # The same command again does nothing; a larger grid adds what is new.
    before = {path: path.stat().st_mtime_ns for path in sweep.glob(f"*/{run_dir.SUMMARY}")}
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
from jepa_compare.losses.base import AuxLoss, AuxOutput


class L2(AuxLoss):
    def __init__(self, *, dim: int, power: float) -> None:
        super().__init__()
        self.power = power

    def forward(self, latents):
        if self.power > 2:
            raise RuntimeError("this loss is broken")
        loss = latents.z_pred.float().abs().pow(self.power).mean()
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
    runs = runs_of(tmp_path / "multirun" / "theirs")
    assert set(runs) == {"none_s0", "l2_s0"}
    assert "aux/norm" in rows(runs["l2_s0"])[0]
    assert "l2" in result.stdout


def test_failed_jobs_are_listed_repeated_and_alone(tmp_path: Path) -> None:
    make_package(tmp_path)
    arguments = (
        "-m",
        "hydra/launcher=process",
        "hydra.launcher.n_jobs=2",
        "hydra.searchpath=[pkg://my_lab.conf]",
        "aux_loss=l2",
        "aux_loss.power=1.0,3.0",
        "sweep=broken",
    )
    result = command(*arguments, cwd=tmp_path, check=False)
    assert result.returncode == 1
    assert "failed: RuntimeError: this loss is broken" in result.stderr
    assert "failed" in result.stdout  # in the table
    sweep = tmp_path / "multirun" / "broken"
    states = {p.name: read_status(p)["state"] for p in sweep.glob("l2_s0_*")}
    assert sorted(states.values()) == ["completed", "failed"]
    (tmp_path / "my_lab" / "losses.py").write_text(LOSS.replace("> 2", "> 9"))
    fixed = command(*arguments, cwd=tmp_path)
    assert "is complete" not in fixed.stderr
    assert all(read_status(p)["state"] == "completed" for p in sweep.glob("l2_s0_*"))


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
        wait_for(lambda: list(sweep.glob(f"*/{run_dir.METRICS}")))
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


def test_reproduce_and_status(tmp_path: Path) -> None:
    command("aux_loss=vicreg", "hydra.run.dir=run", cwd=tmp_path)
    cli = [sys.executable, "-m", "jepa_compare.cli"]
    result = subprocess.run(
        [*cli, "reproduce", "run"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert "all metrics equal, bit for bit" in result.stdout
    result = subprocess.run(
        [*cli, "status", "run"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert "20/20" in result.stdout


@pytest.mark.parametrize("preset", ["two_rooms_random_wall_small"])
def test_presets_run(tmp_path: Path, preset: str) -> None:
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
def test_a_wheel_runs_from_an_empty_directory(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", target, wheel]
    subprocess.run(install, check=True, capture_output=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    script = "import jepa_compare, sys; print(jepa_compare.__file__)"
    environment = {"PYTHONPATH": str(target)}
    where = subprocess.run(
        [sys.executable, "-c", script],
        cwd=empty,
        env=os.environ | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert where.stdout.startswith(str(target))
    command("aux_loss=dino", "hydra.run.dir=run", cwd=empty, PYTHONPATH=str(target))
    assert read_status(empty / "run")["state"] == "completed"
