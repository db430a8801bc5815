"""A watch ends what makes no progress, where it hangs if it can, and leaves alone what gets on."""

import os
import signal
import subprocess
import sys
import time
import traceback

import pytest

from jepa_compare.system.stall import Stalled, StallWatch, idle_seconds, progressed


def test_what_waits_in_python_is_ended_where_it_waits() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with (
        pytest.raises(Stalled, match=r"no progress for training\.stall_timeout=0\.2 s") as caught,
        StallWatch(0.2, print),
    ):
        time.sleep(30)
    assert "time.sleep(30)" in "".join(traceback.format_exception(caught.value))
    assert signal.getsignal(signal.SIGALRM) == before


def test_what_gets_on_is_left_alone() -> None:
    # Either end would be seen: the error here, the last words by the process's end.
    with StallWatch(1.0, print):
        for _ in range(6):
            time.sleep(0.25)
            progressed()
    with StallWatch(None, print):
        assert idle_seconds() < 1.0


def test_another_alarm_goes_to_whoever_set_it() -> None:
    rang = []
    before = signal.signal(signal.SIGALRM, lambda *_: rang.append(True))
    try:
        with StallWatch(60.0, print):
            os.kill(os.getpid(), signal.SIGALRM)
        assert rang == [True]
    finally:
        signal.signal(signal.SIGALRM, before)


DEAF = """
import sys, threading, time
from jepa_compare.system import stall
stall.GRACE_SECONDS = 0.2
def wait():
    with stall.StallWatch(0.3, lambda error: print(error.trace, flush=True)):
        while True:
            try:
                time.sleep(0.01)
            except stall.Stalled:
                pass  # as a careless `except Exception` does
"""


@pytest.mark.parametrize("call", ["wait()", "threading.Thread(target=wait).start()"])
def test_what_does_not_hear_of_it_ends_with_its_process(call: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", DEAF + call], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 1 and result.stderr == ""
    assert "File" in result.stdout
