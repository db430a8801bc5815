"""Signals are requests: noted in a step, obeyed between steps, and never lost."""

import os
import signal
import time

import pytest

from jepa_compare.system import interrupts as interrupts_module
from jepa_compare.system.interrupts import SIGNALS, Interrupted, Interrupts


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_signal_waits_for_the_end_of_the_step(signum: signal.Signals) -> None:
    with pytest.raises(Interrupted, match=signum.name), Interrupts() as interrupts:
        os.kill(os.getpid(), signum)
        assert interrupts.requested == signum
        interrupts.raise_if_requested()


def test_a_signal_that_nobody_read_is_not_lost() -> None:
    with pytest.raises(Interrupted, match="SIGTERM"), Interrupts():
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_step_that_does_not_end_is_cut_after_its_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts_module, "GRACE_SECONDS", 0.2)
    ended = False
    with pytest.raises(Interrupted), Interrupts() as interrupts, interrupts.soon():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
        ended = True
    assert not ended


def test_what_comes_after_a_step_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts_module, "GRACE_SECONDS", 0.1)
    tidied = False
    with pytest.raises(Interrupted), Interrupts() as interrupts:
        try:
            with interrupts.soon():
                os.kill(os.getpid(), signal.SIGTERM)
                interrupts.raise_if_requested()
        finally:
            time.sleep(0.3)  # a status being written, say
            os.kill(os.getpid(), signal.SIGINT)  # someone is impatient
            tidied = True
    assert tidied


def test_another_alarm_goes_to_whoever_set_it() -> None:
    rang = []
    before = signal.signal(signal.SIGALRM, lambda *_: rang.append(True))
    try:
        with Interrupts() as interrupts, interrupts.soon():
            os.kill(os.getpid(), signal.SIGALRM)
        assert rang == [True]
    finally:
        signal.signal(signal.SIGALRM, before)


def test_at_once_raises_where_the_signal_hits() -> None:
    reached = False
    with pytest.raises(Interrupted), Interrupts() as interrupts, interrupts.at_once():
        os.kill(os.getpid(), signal.SIGTERM)
        reached = True
    assert not reached


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(signum) for signum in SIGNALS]
    with Interrupts():
        assert [signal.getsignal(signum) for signum in SIGNALS] != before
    assert [signal.getsignal(signum) for signum in SIGNALS] == before


def test_a_schedulers_own_handler_runs_after_the_run_has_left() -> None:
    calls = []
    old = signal.signal(signal.SIGUSR2, lambda *_: calls.append("requeue"))
    try:
        with pytest.raises(Interrupted), Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGUSR2)
            assert calls == []
            interrupts.raise_if_requested()
        assert calls == ["requeue"]
    finally:
        signal.signal(signal.SIGUSR2, old)
