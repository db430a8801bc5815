"""One owner, a status for every ending, and no other run in the same directory."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jepa_compare.runs import layout
from jepa_compare.runs.codec import encode
from jepa_compare.runs.lock import Locked
from jepa_compare.runs.records import (
    ConfigFile,
)
from jepa_compare.runs.writer import OtherRun, RunWriter, is_complete
from jepa_compare.sweep.run_status import record_death, write_queued
from jepa_compare.system import files
from jepa_compare.system.interrupts import Interrupted
from tests.support.records import IDENTITY, finished_summary
from tests.support.runs import read_status


def writer(directory: Path, identity: ConfigFile = IDENTITY) -> RunWriter:
    return RunWriter(directory, identity, steps=10, patience=0.0)


def test_a_run_that_ends_is_completed(tmp_path: Path) -> None:
    with writer(tmp_path) as run:
        assert read_status(tmp_path)["state"] == "running"
        assert not run.fresh_start  # there is nothing to remove
        run.step = 10
    status = read_status(tmp_path)
    assert (status["state"], status["step"], status["exception"]) == ("completed", 10, None)


def test_an_exception_is_recorded_with_its_trace(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writer(tmp_path):
        _ = 1 / 0
    status = read_status(tmp_path)
    assert status["state"] == "failed"
    assert status["exception"]["type"] == "ZeroDivisionError"
    assert "1 / 0" in status["exception"]["traceback"]
    assert status["exception"]["resumable"] is False


def test_failed_runs_start_over_and_cut_ones_continue(tmp_path: Path) -> None:
    for error, fresh in (
        (ValueError("a bug"), True),
        (OSError("disk full"), False),
        (Interrupted(15), False),
    ):
        with pytest.raises(type(error)), writer(tmp_path):
            raise error
        with writer(tmp_path) as run:
            assert run.fresh_start is fresh


def test_another_configuration_is_refused_by_name(tmp_path: Path) -> None:
    with writer(tmp_path):
        pass
    other = replace(IDENTITY, hash="ffffffff", config={"training": {"lr": 0.2}})
    with pytest.raises(OtherRun, match=r"training\.lr: 0\.1 -> 0\.2"), writer(tmp_path, other):
        pass
    with writer(tmp_path):
        pass  # the refusal has let the lock go


@pytest.mark.parametrize("content", ['{"hash": "ff', "[]", '{"hash": "ffffffff"}', "\x00" * 40])
def test_a_damaged_config_is_written_anew_where_the_name_says_whose_it_is(
    tmp_path: Path, content: str
) -> None:
    own, custom = tmp_path / f"vicreg_s0_{IDENTITY.hash}", tmp_path / "custom"
    for directory in (own, custom):
        directory.mkdir()
        (directory / layout.CONFIG).write_text(content)
    with writer(own):
        assert files.read_json(own / layout.CONFIG) == encode(IDENTITY)
    with pytest.raises(OtherRun, match=r"config\.json is damaged"), writer(custom):
        pass
    assert (custom / layout.CONFIG).read_text() == content


def test_a_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    with (
        writer(tmp_path),
        pytest.raises(Locked, match=f"process {os.getpid()}"),
        writer(tmp_path),
    ):
        pass


def test_the_lock_of_a_killed_owner_is_taken_over(tmp_path: Path) -> None:
    script = (
        "import os, sys, time; from pathlib import Path\n"
        "from jepa_compare.runs.records import ConfigFile\n"
        "from jepa_compare.runs.writer import RunWriter\n"
        f"with RunWriter(Path(sys.argv[1]), {IDENTITY!r}, 10): os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert killed.returncode == -9
    assert read_status(tmp_path)["state"] == "running"
    with writer(tmp_path) as run:
        assert run.taken_over is not None and "last seen" in run.taken_over
        assert not run.fresh_start


def test_an_attempt_leaves_no_summary_and_no_half_files_to_the_next(tmp_path: Path) -> None:
    files.write_json(tmp_path / layout.SUMMARY, {"status": "diverged"})
    for name in (".summary.json.4711.0123abcd", f"{layout.EVALUATIONS}/.a.json.1.01234567"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".hidden").touch()
    with writer(tmp_path):
        assert not (tmp_path / layout.SUMMARY).exists()
        names = {path.name for path in tmp_path.rglob("*")}
    assert names == {layout.LOCK, layout.CONFIG, layout.STATUS, layout.EVALUATIONS, ".hidden"}


def test_a_full_disk_does_not_hide_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    with pytest.raises(ZeroDivisionError), writer(tmp_path):
        monkeypatch.setattr(files, "write_bytes", full)
        _ = 1 / 0
    status = read_status(tmp_path)  # written into the room of the one before
    assert (status["state"], status["exception"]["type"]) == ("failed", "ZeroDivisionError")


def test_a_death_is_recorded_for_whoever_could_not_say_so(tmp_path: Path) -> None:
    write_queued(tmp_path, IDENTITY, steps=10)
    record_death(tmp_path, "was killed by SIGKILL", 4711)
    status = read_status(tmp_path)
    assert (status["state"], status["exception"]["message"]) == ("failed", "was killed by SIGKILL")
    with writer(tmp_path) as run:
        assert not run.fresh_start
        record_death(tmp_path, "lost the race for it", os.getpid() + 1)
        assert read_status(tmp_path)["state"] == "running"  # it is ours, and alive
        record_death(tmp_path, "was killed by SIGKILL", os.getpid())
        assert read_status(tmp_path)["state"] == "failed"
    record_death(tmp_path, "was killed by SIGKILL", os.getpid())
    assert read_status(tmp_path)["state"] == "completed"


def test_metrics_are_cut_back_to_a_checkpoint(tmp_path: Path) -> None:
    with writer(tmp_path) as run:
        run.append_metrics({"step": 0, "train/loss": float("nan")})
        length = run.sync_metrics()
        run.append_metrics({"step": 1})
        assert not run.truncate_metrics(10_000)  # fewer rows than a checkpoint counts on
        assert run.truncate_metrics(length)
        run.append_metrics({"step": 1, "train/loss": 0.5})
    lines = (tmp_path / layout.METRICS).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 0, "train/loss": "nan"},
        {"step": 1, "train/loss": 0.5},
    ]


def test_queued_never_hides_a_run_that_has_begun(tmp_path: Path) -> None:
    write_queued(tmp_path, IDENTITY, steps=10)
    assert read_status(tmp_path)["state"] == "queued"
    with writer(tmp_path) as run:
        assert run.previous is None
    write_queued(tmp_path, IDENTITY, steps=10)
    assert read_status(tmp_path)["state"] == "completed"


def test_complete_needs_state_summary_and_the_same_hash(tmp_path: Path) -> None:
    with writer(tmp_path):
        pass
    assert not is_complete(tmp_path, IDENTITY.hash)
    files.write_json(tmp_path / layout.SUMMARY, encode(finished_summary()))
    assert is_complete(tmp_path, IDENTITY.hash)
    assert not is_complete(tmp_path, "ffffffff")
    (tmp_path / layout.SUMMARY).write_text('{"metr')
    assert not is_complete(tmp_path, IDENTITY.hash)
