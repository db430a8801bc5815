"""A sweep's directory: what is announced in it, and what must not be there."""

import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from jepa_compare.checks import ConfigError
from jepa_compare.runs import layout
from jepa_compare.runs.codec import decode
from jepa_compare.runs.records import SweepFile
from jepa_compare.sweep.directory import announced, finish
from jepa_compare.sweep.job import stored_job
from jepa_compare.sweep.plan import CommandLine, parse_command_line
from jepa_compare.system import files
from tests.support.runs import TINY, command, read_status, runs_of, start_command


def command_in(directory: Path, *overrides: str) -> CommandLine:
    where = f"hydra.sweep.dir={directory}"
    return parse_command_line([*overrides, where, "sweep=s", *TINY], multirun=True)


def test_a_changed_config_is_another_directory_and_the_difference_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directories = []
    for lr in ("0.001", "0.002", "0.002"):
        command = command_in(tmp_path, "seed=0,1", f"training.lr={lr}")
        with announced(command):
            directories.append([job.directory for job in command.jobs])
        message = capsys.readouterr().err
        if len(directories) == 2:
            for old, new in zip(*directories[:2], strict=True):
                line = f"{new.name} is another run than {old.name}: training.lr: 0.001 -> 0.002"
                assert f"jepa_compare: {line}\n" in message
        else:
            assert message == ""
    assert not set(directories[0]) & set(directories[1])
    assert directories[1] == directories[2]

    # A damaged config of another run is passed over, not ours to fail on.
    (directories[0][0] / layout.CONFIG).write_text('{"config": {"trai')
    with announced(command_in(tmp_path, "training.lr=0.003")):
        message = capsys.readouterr().err
    assert directories[0][0].name not in message and directories[1][0].name in message


def test_what_is_announced_is_all_that_a_run_needs(tmp_path: Path) -> None:
    """The first job of a directory is its run; a command given again may evaluate otherwise."""
    command = command_in(tmp_path, "evaluation.seed=3,4")
    directory = command.jobs[0].directory
    with announced(command):
        status = read_status(directory)
        assert status["state"] == "queued"
    assert stored_job(directory) == command.jobs[0]
    files.write_json(directory / layout.STATUS, status | {"state": "failed"})
    again = command_in(tmp_path, "evaluation.seed=4,3")
    with announced(again):
        assert read_status(directory)["state"] == "failed"
    assert stored_job(directory) == again.jobs[0]


def test_a_sweep_says_what_it_stands_for(tmp_path: Path) -> None:
    command = command_in(tmp_path, "aux_loss=none,dino", "evaluation.seed=3,4")
    with announced(command):
        content = files.read_json(tmp_path / layout.SWEEP)
    stored = decode(SweepFile, content, layout.SWEEP)
    assert stored.command == sys.argv and stored.overrides == command.overrides
    assert [name.partition("_")[0] for name in stored.runs] == ["none", "dino"]
    assert all((tmp_path / name / layout.CONFIG).exists() for name in stored.runs)


def test_another_run_in_a_jobs_directory_is_said_before_any_starts(tmp_path: Path) -> None:
    subdir = "hydra.sweep.subdir=mine"
    with announced(command_in(tmp_path, subdir)):
        pass
    config = tmp_path / "mine" / layout.CONFIG
    before = config.read_bytes()
    with (
        pytest.raises(ConfigError, match=r"mine holds another run \(training.lr: .* -> 0.5\)"),
        announced(command_in(tmp_path, subdir, "training.lr=0.5")),
    ):
        pass
    assert config.read_bytes() == before
    config.write_text('{"config": {"trai')
    with (
        pytest.raises(ConfigError, match=r"config.json is damaged and may be another run's"),
        announced(command_in(tmp_path, subdir)),
    ):
        pass


def test_of_jobs_that_a_sweeper_made_as_it_went_those_begun_are_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = replace(command_in(tmp_path, "seed=0,1"), all_known=False)
    begun, stand_in = (job.directory for job in command.jobs)
    with announced(command):
        files.write_json(begun / layout.STATUS, read_status(begun) | {"state": "interrupted"})
        assert not finish(command)
    said = capsys.readouterr().err
    assert f"{begun.name} failed: it was interrupted after 0 of" in said
    assert f"{stand_in.name} failed" not in said
    assert "not complete: 1; the same command with sweep=s continues" in said


def test_a_comparison_that_is_cut_or_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    """The runs are complete, and the status says that something is missing."""
    sweep = tmp_path / "multirun" / "s"
    missing = (
        "jepa_compare: all runs are complete; for their comparison: jepa-compare report multirun/s"
    )
    with start_command("-m", "sweep=s", "training.steps=3", cwd=tmp_path) as process:
        while not (sweep / layout.COMPARISON / "comparison.md").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 128 + signal.SIGINT
    said = (tmp_path / "output").read_text().splitlines()
    assert said[-1] == missing and not [line for line in said if "Traceback" in line]
    assert [read_status(run)["state"] for run in runs_of(sweep)] == ["completed"]

    shutil.rmtree(sweep / layout.COMPARISON)
    (sweep / layout.COMPARISON).touch()
    result = command("-m", "sweep=s", "training.steps=3", cwd=tmp_path, check=False)
    assert result.returncode == 1
    reason, last = result.stderr.splitlines()[-2:]
    assert reason.startswith("jepa_compare: no comparison (") and last == missing


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_a_library_swallows_while_drawing_is_obeyed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    signum: signal.Signals,
) -> None:
    def swallow(*_: object, **__: object) -> str:
        with suppress(BaseException):
            signal.raise_signal(signum)
        return "table"

    monkeypatch.setattr("jepa_compare.report.write_comparison", swallow)
    command = command_in(tmp_path, "seed=0")
    with announced(command), pytest.raises(SystemExit) as caught:
        finish(command)
    assert caught.value.code == 128 + signum
    assert "not complete: 1" in capsys.readouterr().err
