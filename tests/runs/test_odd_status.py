"""A status.json that is anything at all ends neither `status`, a report, nor the next attempt."""

import json
import logging
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from jepa_compare.cli import main
from jepa_compare.report import write
from jepa_compare.runs import layout
from jepa_compare.runs.writer import RunWriter, read_status
from jepa_compare.sweep.directory import announce
from tests.support.records import IDENTITY
from tests.support.runs import job
from tests.support.synthetic import DEFAULT_LOSSES, write_run

Spoil = Callable[[Path], object]


def changed(**values: object) -> Spoil:
    """Set keys of the file; `DEEP` is as nested as no parser takes."""

    def spoil(path: Path) -> None:
        text = json.dumps(json.loads(path.read_text()) | values)
        path.write_text(text.replace('"DEEP"', "[" * 100_000 + "]" * 100_000))

    return spoil


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "in it").touch()


ODD: dict[str, tuple[Spoil, str]] = {
    "huge step": (changed(step=10**400), "step is 10+, not a whole number"),
    "endless step": (lambda path: path.write_text('{"step": ' + "9" * 5000 + "}"), "is too long"),
    "huge time": (changed(heartbeat=10**400), "heartbeat is 10+, not a number"),
    "huge process": (changed(pid=10**400), "pid is 10+, not a whole number"),
    "nested value": (changed(exception="DEEP"), "is nested too deeply"),
    "nested": (lambda path: path.write_text("[" * 100_000), "is nested too deeply"),
    "not a number": (changed(heartbeat=math.nan), "heartbeat is nan, not finite"),
    "for ever": (changed(started=math.inf), "started is inf, not finite"),
    "negative": (changed(step=-1), "step is -1, not at least 0"),
    "text": (changed(step="many"), "step is 'many', not a whole number"),
    "truth": (changed(state=True), "state is True, not one of"),
    "a list": (lambda path: path.write_text("[]"), "is not a JSON object"),
    "no text": (lambda path: path.write_bytes(b"\xff\xfe\x00"), "is not UTF-8 text"),
    "empty": (lambda path: path.write_text(""), "is truncated or not JSON"),
    "a folder": (folder, "is not a regular file"),
}


@pytest.fixture(params=ODD)
def odd(request: pytest.FixtureRequest) -> tuple[Spoil, str]:
    return ODD[request.param]


def test_the_next_attempt_names_it_and_writes_it_anew(
    tmp_path: Path, odd: tuple[Spoil, str], caplog: pytest.LogCaptureFixture
) -> None:
    spoil, reason = odd
    directory = tmp_path / f"vicreg_s0_{IDENTITY.hash}"
    with RunWriter(directory, IDENTITY, 10):
        pass
    spoil(directory / layout.STATUS)
    with caplog.at_level(logging.WARNING), RunWriter(directory, IDENTITY, 10):
        status = read_status(directory)
        assert status is not None and status.state == "running"
    assert re.search(f"{directory}: status.json.* {reason}.* written anew", caplog.text)


def test_a_sweep_announces_its_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tiny = job()
    directory = tmp_path / tiny.directory.name
    for spoil, reason in ODD.values():
        announce(replace(tiny, directory=directory))
        spoil(directory / layout.STATUS)
        caplog.clear()
        announce(replace(tiny, directory=directory))
        assert re.search(f"{directory}: status.json.* {reason}", caplog.text)
        status = read_status(directory)
        assert status is not None and status.state == "queued"


def test_status_and_report_name_it_and_count_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(write, "_draw", lambda *_, **__: None)  # has its own tests
    monkeypatch.setenv("COLUMNS", "4000")
    vicreg = DEFAULT_LOSSES["vicreg"]
    write_run(tmp_path, loss=vicreg, seed=0)
    named: list[str] = []
    for number, (spoil, reason) in enumerate(ODD.values()):
        for state in ("running", "completed"):
            seed = 2 * number + 1 + (state == "completed")
            path = write_run(tmp_path, loss=vicreg, seed=seed, state=state) / layout.STATUS
            spoil(path)
            named.append(f"{path}: status.json.* {reason}")
    assert main(["status", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert not [pattern for pattern in named if not re.search(pattern, said)]
    assert f"{len(ODD) + 1} healthy, {len(ODD)} failed" in said
    assert main(["report", str(tmp_path)]) == 0
    said = (tmp_path / layout.COMPARISON / "comparison_summary.txt").read_text()
    assert not [pattern for pattern in named if not re.search(pattern, said)]
    assert f"{len(ODD) + 1} healthy" in said
