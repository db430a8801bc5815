"""One writer per directory: an advisory lock that dies with its owner."""

import fcntl
import json
import os
import socket
import time
from pathlib import Path
from types import TracebackType

from jepa_compare.run_dir import LOCK, to_json


class Locked(RuntimeError):
    """Another process is writing into this directory."""


class DirectoryLock:
    """Holds `directory` for this process; raises Locked, naming the owner, if another has it.

    The kernel drops the lock when its owner dies, so it is never stale. The file beside it says
    who the owner is; a name that is still in it when the lock is free belongs to an owner that
    died, and `taken_over` describes it. The file stays where it is: unlinking a lock file lets
    two processes each lock their own copy of it.
    """

    taken_over: str | None = None

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK

    def __enter__(self) -> "DirectoryLock":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = self._owner() or "another process"
            self._file.close()
            raise Locked(
                f"{self._path.parent} is being written by {owner}; wait for it to end, or choose"
                " another directory with sweep=NAME"
            ) from None
        self.taken_over = self._owner()
        self._write({"host": socket.gethostname(), "pid": os.getpid(), "heartbeat": time.time()})
        return self

    def heartbeat(self) -> None:
        """Say that the owner is alive, for the message to whoever finds the directory locked."""
        self._write({"host": socket.gethostname(), "pid": os.getpid(), "heartbeat": time.time()})

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.truncate(0)
        self._file.close()

    def _write(self, owner: dict[str, object]) -> None:
        self._file.truncate(0)
        self._file.write(to_json(owner))
        self._file.flush()

    def _owner(self) -> str | None:
        self._file.seek(0)
        try:
            owner = json.loads(self._file.read())
            age = time.time() - float(owner["heartbeat"])
            return f"process {owner['pid']} on {owner['host']} (last seen {age:.0f} s ago)"
        except (ValueError, KeyError, TypeError):
            return None
