"""One owner of a directory: what the kernel says here, what a heartbeat says of elsewhere."""

import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jepa_compare.runs import lock as lock_module
from jepa_compare.runs.layout import LOCK
from jepa_compare.runs.lock import DirectoryLock, Locked

OWNER = """
import sys, time
from pathlib import Path
from jepa_compare.runs.lock import DirectoryLock
with DirectoryLock(Path(sys.argv[1])):
    print("mine", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def owner(directory: Path, seconds: float) -> subprocess.Popen[str]:
    """Another process that holds `directory`."""
    line = [sys.executable, "-c", OWNER, str(directory), str(seconds)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "mine\n"
    return process


def claim(directory: Path, *, host: str, pid: int, age: float = 0.0) -> None:
    """Write an owner's name into the lock file of `directory`, without the kernel's lock."""
    named = {"host": host, "pid": pid, "heartbeat": time.time() - age}
    (directory / LOCK).write_text(json.dumps(named).ljust(256))


def test_another_process_is_named_and_its_death_frees_the_directory(tmp_path: Path) -> None:
    with owner(tmp_path, 60) as process:
        with pytest.raises(Locked, match=f"process {process.pid} on {socket.gethostname()}"):
            DirectoryLock(tmp_path).__enter__()
        process.kill()
        process.wait()
        with DirectoryLock(tmp_path) as lock:
            assert lock.taken_over is not None and f"process {process.pid}" in lock.taken_over


def test_a_released_lock_was_not_taken_over(tmp_path: Path) -> None:
    with owner(tmp_path, 0) as process:
        process.wait()
    with DirectoryLock(tmp_path) as lock:
        assert lock.taken_over is None


def test_patience_waits_for_an_owner_that_leaves(tmp_path: Path) -> None:
    with owner(tmp_path, 0.5), DirectoryLock(tmp_path, patience=20.0) as lock:
        assert lock.taken_over is None


def test_a_process_number_that_was_used_again_misleads_nobody(tmp_path: Path) -> None:
    claim(tmp_path, host=socket.gethostname(), pid=os.getppid())  # alive, and not the owner
    with DirectoryLock(tmp_path) as lock:
        assert lock.taken_over is not None and f"process {os.getppid()}" in lock.taken_over


def test_a_silent_owner_on_another_machine_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_module, "STALE_SECONDS", 0.3)
    claim(tmp_path, host="elsewhere", pid=1)
    started = time.monotonic()
    with DirectoryLock(tmp_path) as lock:
        assert lock.taken_over is not None and "process 1 on elsewhere" in lock.taken_over
    assert time.monotonic() - started >= 0.3
    claim(tmp_path, host="elsewhere", pid=1, age=1e5)
    monkeypatch.setattr(lock_module, "STALE_SECONDS", 1e5)  # not waited for: long dead
    with DirectoryLock(tmp_path):
        pass


@pytest.mark.parametrize("heartbeat", ["1e4000", "NaN", str(10**200), '"now"', "-1e30", "null"])
def test_an_owner_whose_heartbeat_is_no_time_is_not_waited_for(
    tmp_path: Path, heartbeat: str
) -> None:
    named = f'{{"host": "elsewhere", "pid": [1], "heartbeat": {heartbeat}}}'
    (tmp_path / LOCK).write_text(named.ljust(256))
    started = time.monotonic()
    with DirectoryLock(tmp_path) as lock:
        assert lock.taken_over == "process [1] on elsewhere (last seen inf s ago)"
    assert time.monotonic() - started < 5.0


def test_an_owner_of_the_future_is_dead_and_one_of_a_fast_clock_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(tmp_path, host="elsewhere", pid=1, age=-7200.0)
    with DirectoryLock(tmp_path) as lock:  # not waited for
        assert lock.taken_over is not None and "process 1 on elsewhere" in lock.taken_over
    monkeypatch.setattr(lock_module, "STALE_SECONDS", 1.0)
    claim(tmp_path, host="elsewhere", pid=1, age=-60.0)
    beat = threading.Timer(0.3, claim, (tmp_path,), {"host": "elsewhere", "pid": 1, "age": -60.0})
    beat.start()
    with pytest.raises(Locked, match="process 1"):
        DirectoryLock(tmp_path).__enter__()
    beat.join()


@pytest.mark.parametrize("locks", [True, False])
def test_a_beating_owner_keeps_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locks: bool
) -> None:
    """On another machine; and on this one where the file system has no locks."""
    host = "elsewhere" if locks else socket.gethostname()
    if not locks:

        def unsupported(*_: object) -> None:
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(fcntl, "flock", unsupported)
    claim(tmp_path, host=host, pid=1)
    beat = threading.Timer(0.3, claim, (tmp_path,), {"host": host, "pid": 1})
    beat.start()
    with pytest.raises(Locked, match="process 1"):
        DirectoryLock(tmp_path).__enter__()
    beat.join()


def test_the_heart_beats_while_the_lock_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_module, "HEARTBEAT_SECONDS", 0.01)
    beats = threading.Semaphore(0)
    with DirectoryLock(tmp_path, on_beat=beats.release):
        first = json.loads((tmp_path / LOCK).read_text())["heartbeat"]
        for _ in range(3):
            assert beats.acquire(timeout=10)
        assert json.loads((tmp_path / LOCK).read_text())["heartbeat"] > first
    assert (tmp_path / LOCK).read_text() == ""
