"""Signals are requests: noted in a step, obeyed between steps, and never lost."""

import os
import signal

import pytest

from jepa_compare.interrupts import SIGNALS, Interrupted, Interrupts


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_signal_waits_for_the_end_of_the_step(signum: signal.Signals) -> None:
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signum)
        assert interrupts.requested == signum
        with pytest.raises(Interrupted, match=signum.name):
            interrupts.leave_if_requested()
        interrupts.requested = None  # handled: what was there before is not to be called


def test_at_once_raises_where_the_signal_hits() -> None:
    reached = False
    with Interrupts() as interrupts, pytest.raises(Interrupted), interrupts.at_once():
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
            interrupts.leave_if_requested()
        assert calls == ["requeue"]
    finally:
        signal.signal(signal.SIGUSR2, old)
