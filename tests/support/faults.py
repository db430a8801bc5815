"""Faults for tests: a process that dies at a chosen write, fsync or rename; a full disk."""

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jepa_compare.runs import lock

_TEMPORARY = re.compile(r"\.(.+)\.\d+\.[0-9a-f]{8}")
REAL_OPEN = Path.open
REAL_FDOPEN = os.fdopen


class Killed(BaseException):
    """Stands for SIGKILL in this process. From here on nothing reaches the disk."""


class Disk:
    """Counts what a run does to its directory, and fails at the `fail_at`-th event, if any.

    As after a SIGKILL, everything fails from then on: neither an `except` nor a `finally` gets to
    tidy up. A write that fails has written its first half. With `full=True` the disk is full
    instead: the one event raises ENOSPC, and the run goes on to say so.
    """

    def __init__(
        self, patch: pytest.MonkeyPatch, fail_at: int | None = None, *, full: bool = False
    ) -> None:
        self.events: list[tuple[str, str]] = []
        """(operation, file name) of every event so far."""
        self._fail_at, self._full, self._dead = fail_at, full, False
        patch.setattr(lock, "HEARTBEAT_SECONDS", 3600.0)  # or threads would count along
        for name in ("replace", "fsync", "pwrite", "ftruncate"):
            patch.setattr(os, name, self._guarded(name, getattr(os, name)))
        patch.setattr(Path, "unlink", self._guarded("unlink", Path.unlink))
        patch.setattr(Path, "open", lambda path, *a, **k: self._open(path, *a, **k))
        patch.setattr(os, "fdopen", self._fdopen)

    def event(self, operation: str, name: str) -> None:
        """Count one event, and fail if it is the chosen one. A test may add events of its own."""
        if self._dead:
            raise Killed
        self.events.append((operation, _TEMPORARY.sub(r"\1", name)))
        if len(self.events) - 1 == self._fail_at:
            if self._full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._dead = True
            raise Killed

    def _guarded(self, operation: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            first = arguments[0]
            name = os.readlink(f"/proc/self/fd/{first}") if isinstance(first, int) else str(first)
            self.event(operation, Path(name).name)
            return real(*arguments, **named)

        return call

    def _open(self, path: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if not set(mode) & set("wax+"):
            return REAL_OPEN(path, mode, *arguments, **named)
        if self._dead:
            raise Killed
        return _File(REAL_OPEN(path, mode, *arguments, **named), self, path.name)

    def _fdopen(self, descriptor: int, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        file = REAL_FDOPEN(descriptor, mode, *arguments, **named)
        if not set(mode) & set("wax+"):
            return file
        if self._dead:
            raise Killed
        return _File(file, self, Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)


class _File:
    """A file whose writes are events."""

    def __init__(self, real: Any, disk: Disk, name: str) -> None:
        self._real, self._disk, self._name = real, disk, name

    def write(self, data: Any) -> int:
        try:
            self._disk.event("write", self._name)
        except BaseException:
            self._real.write(data[: len(data) // 2])
            self._real.flush()
            raise
        return self._real.write(data)

    def truncate(self, *arguments: Any) -> int:
        self._disk.event("truncate", self._name)
        return self._real.truncate(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        self._real.close()
