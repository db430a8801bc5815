"""Lines that say how far long work is."""

import logging

import pytest

from jepa_compare.system import progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setitem(progress._said, "at", 0.0)
    return now


def test_what_begins_is_said_with_how_far_it_is_now_and_then(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for name in progress.noted("floors", ["random", "straight_line", "oracle"]):
        clock[0] += {"random": 1.0, "straight_line": 60.0, "oracle": 1.0}[name]
    assert caplog.messages == ["floors 1/3: random", "floors 3/3: oracle"]
    progress.note("figures", 1, 3, "planning")
    assert len(caplog.messages) == 2
    clock[0] += progress.SECONDS
    progress.note("figures", 2, 3, "spectrum")
    assert caplog.messages[2:] == ["figures 2/3: spectrum"]
