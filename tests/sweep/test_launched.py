"""A launched process leaves when its work is done; one that was not launched is left alone."""

import os
import subprocess
import sys
import time

import pytest

from jepa_compare.sweep.launched import WATCH

LEAVES_A_THREAD = """
import atexit, sys, threading, time
from jepa_compare.sweep.launched import launched
atexit.register(print, "left in order")
with launched():
    threading.Thread(target=time.sleep, args=(60,)).start()
    """


@pytest.mark.parametrize(
    ("end", "status", "error"),
    [("pass", 0, ""), ("sys.exit(3)", 3, ""), ("1 / 0", 1, "ZeroDivisionError: division by zero")],
)
def test_a_thread_does_not_hold_the_process(end: str, status: int, error: str) -> None:
    stdin, launcher = os.pipe()
    result = subprocess.run(
        [sys.executable, "-c", LEAVES_A_THREAD + end],
        stdin=stdin,
        capture_output=True,
        text=True,
        env=os.environ | {WATCH: "1"},
        check=False,
        timeout=30,
    )
    os.close(stdin)
    os.close(launcher)
    assert result.returncode == status and error in result.stderr
    assert result.stdout == "left in order\n"


def test_a_process_that_was_not_launched_ignores_its_input() -> None:
    script = (
        "from jepa_compare.sweep.launched import launched\n"
        "with launched(): print('ready', flush=True); import time; time.sleep(60)"
    )
    environment = {name: value for name, value in os.environ.items() if name != WATCH}
    line = [sys.executable, "-c", script]
    pipe = subprocess.PIPE
    with subprocess.Popen(line, stdin=pipe, stdout=pipe, env=environment) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdout.readline()
        child.stdin.close()  # what the kernel does for a parent that was killed
        time.sleep(0.3)
        assert child.poll() is None
        child.kill()
