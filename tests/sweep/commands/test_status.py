"""`jepa-compare status`: how far, how long still, and until when it watches."""

import io
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from jepa_compare.comparison.loading.load import load_runs
from jepa_compare.runs import layout
from jepa_compare.runs.codec import encode
from jepa_compare.runs.identity import run_hash
from jepa_compare.runs.records import SCHEMA_VERSION, ConfigFile, Failure, StatusFile
from jepa_compare.sweep.commands import status
from jepa_compare.sweep.commands.status import (
    remaining_seconds,
    show_status,
    status_table,
    sweep_seconds,
)
from jepa_compare.system import files
from tests.support.synthetic import DEFAULT_LOSSES, write_run

NOW = 1_000_000.0


def make_run(sweep: Path, seed: int, **fields: Any) -> Path:
    """A queued run, or one with the `fields` of its status changed."""
    directory = sweep / f"vicreg_s{seed}_0123abcd"
    settings = {"seed": seed, "training": {"on_collapse": "warn"}}
    config = ConfigFile(
        schema_version=SCHEMA_VERSION,
        run_name=directory.name,
        name="vicreg",
        seed=seed,
        hash=run_hash(settings),
        config=settings,
        choices={},
        overrides=[],
    )
    status = StatusFile(
        state="queued",
        step=0,
        steps=100,
        host=None,
        pid=None,
        heartbeat=time.time(),
        started=None,
        ended=None,
        exception=None,
    )
    files.write_json(directory / layout.CONFIG, encode(config))
    files.write_json(directory / layout.STATUS, encode(replace(status, **fields)))
    return directory


def test_the_pace_is_that_of_this_attempt(tmp_path: Path) -> None:
    running = {"state": "running", "started": NOW - 20, "heartbeat": NOW - 4}
    make_run(tmp_path, 0, **running, step=40, first_step=0)
    make_run(tmp_path, 1, **running, step=60, first_step=50)  # continued: 10 steps in 16 s
    make_run(tmp_path, 2, **running, step=50, first_step=50)
    make_run(tmp_path, 3)
    left = [remaining_seconds(run, NOW) for run in load_runs(tmp_path, now=NOW)]
    assert left == [pytest.approx(20.0), pytest.approx(60.0), None, None]


def test_a_run_that_does_not_get_on_says_so_and_one_of_the_future_is_not_alive(
    tmp_path: Path,
) -> None:
    running = {"state": "running", "started": NOW - 200}
    make_run(tmp_path, 0, **running, heartbeat=NOW - 4, without_progress=120.0)
    make_run(tmp_path, 1, **running, heartbeat=NOW - 4, without_progress=12.0)
    make_run(tmp_path, 2, **running, heartbeat=NOW + 2 * 3600)
    make_run(tmp_path, 3, **running, heartbeat=NOW + 20)  # clocks differ by seconds
    make_run(tmp_path, 4, **running, heartbeat=NOW - 2 * 3600)
    assert [(run.state, run.reason) for run in load_runs(tmp_path, now=NOW)] == [
        ("running", "no progress for 120 s"),
        ("running", ""),
        (
            "interrupted",
            "its heartbeat is 2.0 h in the future: a clock is wrong, or the file",
        ),
        ("running", ""),
        ("interrupted", "no sign of life for 2.0 h"),
    ]


def test_the_table_shows_state_progress_time_and_reason(tmp_path: Path) -> None:
    running = {"state": "running", "started": NOW - 20, "heartbeat": NOW}
    make_run(tmp_path, 0, **running, step=40, first_step=0)
    failure = Failure(type="OSError", message="disk full", traceback="", resumable=True)
    make_run(tmp_path, 1, state="failed", step=7, exception=failure)
    make_run(tmp_path, 2)
    console = Console(file=io.StringIO(), width=120)
    console.print(status_table(load_runs(tmp_path, now=NOW), NOW))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    for text in ("40/100", "30 s", "OSError: disk full", "7/100", "1 failed, 1 running, 1 queued"):
        assert text in shown


@pytest.mark.parametrize("width", [50, 80, 120])
def test_the_runs_name_is_whole_whatever_else_there_is(tmp_path: Path, width: int) -> None:
    failure = Failure(type="OSError", message="no space " * 30, traceback="", resumable=True)
    directory = make_run(tmp_path, 1234567, state="failed", step=7, exception=failure)
    write_run(tmp_path, loss=DEFAULT_LOSSES["barlow_twins"], seed=5, status="complete_collapse")
    console = Console(file=io.StringIO(), width=width)
    console.print(status_table(load_runs(tmp_path, now=NOW), NOW))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert directory.name in shown and "…" not in shown
    assert max(map(len, shown.splitlines())) <= width


def test_the_sweep_takes_as_long_as_its_queue_does_side_by_side(tmp_path: Path) -> None:
    running = {"state": "running", "started": NOW - 20, "heartbeat": NOW, "first_step": 0}
    make_run(tmp_path, 0, **running, step=40)  # 30 s left, 50 in all
    make_run(tmp_path, 1, **running, step=80)  # 5 s left, 25 in all
    make_run(tmp_path, 2)
    make_run(tmp_path, 3)
    make_run(tmp_path, 4)
    runs = load_runs(tmp_path, now=NOW)
    assert sweep_seconds(runs, NOW) == pytest.approx((30 + 5 + 3 * 37.5) / 2)
    done = write_run(tmp_path, loss=DEFAULT_LOSSES["vicreg"], seed=5)
    status = files.read_json(done / layout.STATUS)
    files.write_json(done / layout.STATUS, status | {"started": NOW - 30, "ended": NOW - 20})
    runs = load_runs(tmp_path, now=NOW)
    assert sweep_seconds(runs, NOW) == pytest.approx((30 + 5 + 3 * 10) / 2)
    make_run(tmp_path, 6, **running, step=0)  # no pace yet
    assert sweep_seconds(load_runs(tmp_path, now=NOW), NOW) is None


def test_it_watches_until_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = make_run(tmp_path, 0, state="running", started=time.time(), heartbeat=time.time())
    seen: list[str] = []
    real = status.status_table

    def table(runs: Any, now: float) -> Any:
        seen.extend(run.state for run in runs)
        return real(runs, now)

    monkeypatch.setattr(status, "status_table", table)
    watching = threading.Thread(target=show_status, args=([tmp_path], 0.02))
    watching.start()
    while len(seen) < 3:
        time.sleep(0.01)
    ended = files.read_json(directory / layout.STATUS) | {"state": "interrupted"}
    files.write_json(directory / layout.STATUS, ended)
    watching.join(30)
    assert not watching.is_alive()
    assert seen[:3] == ["running"] * 3 and seen[-1] == "interrupted"
