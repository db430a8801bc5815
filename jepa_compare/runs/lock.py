"""One writer per directory: an advisory lock that dies with its owner, and its heartbeat."""

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from jepa_compare.runs.layout import LOCK, WRITTEN
from jepa_compare.system import files

HEARTBEAT_SECONDS = 5.0
STALE_SECONDS = 30.0
"""Without a heartbeat for so long, an owner on another machine has died."""
_POLL_SECONDS = 0.1
_SURELY_DEAD_SECONDS = 3600.0  # no two clocks differ by so much
_OWNER_BYTES = 256
_LATEST = 1e15  # of a time, which is no number of any size, and not NaN


class Locked(RuntimeError):
    """Another process is writing into this directory."""


def refuse_links(directory: Path) -> None:
    """Raise Refused if a name that is written in a run's or a sweep's directory is a link there."""
    for name in WRITTEN:
        files.below(directory, *name.split("/"))


class DirectoryLock:
    """Holds `directory` for this process; raises Locked, naming the owner, if another has it,
    and Refused if something that would be written is a link.

    On one machine the kernel decides: it drops the lock when its owner dies, so that a process
    number that was used again cannot mislead anybody. Between machines not every file system tells
    the kernels of each other, so an owner elsewhere also counts as alive while its heartbeat moves;
    it is watched, not compared with this machine's clock. A name that is still in the file when the
    lock is free belongs to an owner that died; `taken_over` describes it. The file stays where it
    is: unlinking a lock file lets two processes each lock their own copy of it.

    `patience`: seconds to wait for an owner to leave. `on_beat` is called with every heartbeat;
    `on_wait` again and again while an owner is waited for or watched: it may raise, to leave.
    """

    taken_over: str | None = None

    def __init__(
        self,
        directory: Path,
        *,
        patience: float = 0.0,
        on_beat: Callable[[], None] | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> None:
        self._path = directory / LOCK
        self._patience, self._on_beat, self._on_wait = patience, on_beat, on_wait
        self._left = threading.Event()

    def __enter__(self) -> "DirectoryLock":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        refuse_links(self._path.parent)
        self._file = files.descriptor(self._path, os.O_RDWR | os.O_CREAT)
        try:
            local = self._acquire()
            owner = self._owner()
            if owner and (not local or owner.get("host") != socket.gethostname()):
                self._watch(owner)
            self.taken_over = _described(self._owner())
            self._beat()
        except BaseException:
            os.close(self._file)
            raise
        self._heart = threading.Thread(target=self._keep_beating, daemon=True)
        self._heart.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left.set()
        self._heart.join()
        try:
            os.ftruncate(self._file, 0)
        finally:
            os.close(self._file)

    def _acquire(self) -> bool:
        """Take the kernel's lock; False where the file system has none."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise self._locked() from None
                self._wait()
            except OSError:
                return False

    def _wait(self) -> None:
        if self._on_wait is not None:
            self._on_wait()
        time.sleep(_POLL_SECONDS)

    def _watch(self, owner: dict[str, object]) -> None:
        """Raise Locked if the heartbeat of `owner` moves within STALE_SECONDS."""
        if abs(_age(owner)) > _SURELY_DEAD_SECONDS:
            return  # also one that was alive in the future
        deadline = time.monotonic() + STALE_SECONDS
        while time.monotonic() < deadline:
            self._wait()
            now = self._owner()
            if not now:
                return  # it has left in order
            if now != owner:
                raise self._locked()

    def _locked(self) -> Locked:
        owner = _described(self._owner()) or "another process"
        return Locked(
            f"{self._path.parent} is being written by {owner}; wait for it to end, or choose"
            " another directory with sweep=NAME"
        )

    def _keep_beating(self) -> None:
        while not self._left.wait(HEARTBEAT_SECONDS):
            with contextlib.suppress(OSError):  # a full disk is the training's to report
                self._beat()
                if self._on_beat is not None:
                    self._on_beat()

    def _beat(self) -> None:
        owner = {"host": socket.gethostname(), "pid": os.getpid(), "heartbeat": time.time()}
        # One write of one length: whoever reads meanwhile sees a whole owner, old or new.
        os.pwrite(self._file, files.to_json(owner).ljust(_OWNER_BYTES).encode(), 0)

    def _owner(self) -> dict[str, object]:
        try:
            owner = json.loads(os.pread(self._file, 2 * _OWNER_BYTES, 0))
        except (ValueError, RecursionError):
            return {}
        return owner if isinstance(owner, dict) else {}


def _age(owner: dict[str, object]) -> float:
    heartbeat = owner.get("heartbeat")
    if not isinstance(heartbeat, (int, float)) or not abs(heartbeat) < _LATEST:
        return float("inf")
    return time.time() - heartbeat


def _described(owner: dict[str, object]) -> str | None:
    if not owner:
        return None
    return f"process {owner.get('pid')} on {owner.get('host')} (last seen {_age(owner):.0f} s ago)"
