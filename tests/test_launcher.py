"""The process launcher's parts that need no training: slots, the watch on the parent."""

import os
import signal
import subprocess
import sys
import time

import pytest

from jepa_compare.launcher import WATCH, ProcessLauncher, gpu_slots


def test_slots_follow_the_visible_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert gpu_slots(2) == ["3", "5", "3", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu_slots(2) == []


@pytest.mark.parametrize("arguments", [(0, 1), (1, 0)])
def test_senseless_numbers_are_refused(arguments: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        ProcessLauncher(*arguments)


CHILD = """
import signal, sys, time
from jepa_compare.launcher import leave_with_parent
leave_with_parent()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("ready", flush=True)
time.sleep(60)
"""


def start_child(watch: bool) -> subprocess.Popen[str]:
    environment = dict(os.environ)
    if watch:
        environment[WATCH] = "1"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    return child


def test_a_launched_process_leaves_when_its_parent_is_gone() -> None:
    with start_child(watch=True) as child:
        assert child.stdin is not None
        child.stdin.close()  # what the kernel does for a parent that was killed
        assert child.wait(timeout=10) == 7


def test_a_process_that_was_not_launched_ignores_its_input() -> None:
    with start_child(watch=False) as child:
        assert child.stdin is not None
        child.stdin.close()
        time.sleep(0.3)
        assert child.poll() is None
        child.send_signal(signal.SIGKILL)
