"""The training half's side of a run directory: one owner, status at every moment, metrics."""

import json
import logging
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from jepa_compare.runs import layout
from jepa_compare.runs.layout import State
from jepa_compare.runs.lock import DirectoryLock
from jepa_compare.system import files
from jepa_compare.system.interrupts import Interrupted

EXIT_SECONDS = 15.0
"""How long an owner that was asked to leave may take."""
log = logging.getLogger(__name__)
# What a machine does to a run, as opposed to what the run does: worth continuing, not repeating.
_ENVIRONMENTAL = (OSError, MemoryError)


class OtherRun(RuntimeError):
    """The directory holds a run of another configuration."""


def differing_keys(old: Any, new: Any, prefix: str = "") -> list[str]:
    """'key: old -> new' for every leaf in which two plain configs differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        lines = []
        for key in sorted({*old, *new}):
            lines += differing_keys(old.get(key), new.get(key), f"{prefix}{key}.")
        return lines
    return [] if old == new else [f"{prefix.rstrip('.')}: {old} -> {new}"]


def read_status(directory: Path) -> dict[str, Any]:
    """The status of a run of ours; an empty mapping where there is none or it is damaged."""
    try:
        status = files.read_json(directory / layout.STATUS)
    except (OSError, ValueError):
        return {}
    return status if isinstance(status, dict) else {}


def read_config(directory: Path) -> dict[str, Any]:
    """The identity of a run of ours; an empty mapping where there is none or it is damaged."""
    try:
        identity = files.read_json(directory / layout.CONFIG)
    except (OSError, ValueError):
        return {}
    whole = isinstance(identity, dict) and {"hash", "config"} <= identity.keys()
    return identity if whole else {}


def is_complete(directory: Path, identity: Mapping[str, Any]) -> bool:
    """Whether `directory` holds this very run, finished."""
    if read_status(directory).get("state") != "completed":
        return False
    try:
        summary = files.read_json(directory / layout.SUMMARY)
    except (OSError, ValueError):
        return False
    finished = isinstance(summary, dict) and "metrics" in summary
    return finished and read_config(directory).get("hash") == identity["hash"]


def write_queued(directory: Path, identity: Mapping[str, Any], steps: int) -> None:
    """Announce a run that has not started, unless it has already begun or ended."""
    if read_status(directory):
        return
    files.write_json(directory / layout.CONFIG, identity)
    status = {"state": "queued", "step": 0, "steps": steps, "host": None, "pid": None}
    status |= {"heartbeat": time.time(), "started": None, "ended": None, "exception": None}
    files.write_json(directory / layout.STATUS, status)


def record_death(directory: Path, how: str, pid: int) -> None:
    """Say in the status of a run that its process, `pid` on this machine, ended without saying so.

    Nothing is said of a run that another process has taken: that one lives.
    """
    status = read_status(directory)
    died_running = status.get("state") == "running" and (
        (status.get("host"), status.get("pid")) == (socket.gethostname(), pid)
    )
    if not died_running and status.get("state") != "queued":
        return
    exception = {"type": "JobDied", "message": how, "traceback": "", "resumable": True}
    status |= {"state": "failed", "ended": time.time(), "exception": exception}
    files.write_json(directory / layout.STATUS, status)


class RunWriter:
    """Owns a run directory while it is entered.

    Entering raises Locked if another process owns it (and has not left after `patience` seconds,
    in which `on_wait` is called and may raise) and OtherRun if another configuration lives in it.
    Leaving records how: completed, failed (with the exception) or interrupted.
    """

    def __init__(
        self,
        directory: Path,
        identity: Mapping[str, Any],
        steps: int,
        patience: float = EXIT_SECONDS,
        on_wait: Callable[[], None] | None = None,
    ) -> None:
        self.directory = directory
        self.taken_over: str | None = None
        self.previous: State | None = None
        """How the last attempt at this run ended; None for a first one."""
        self.fresh_start = False
        """Whether the checkpoints of an earlier attempt must not be continued: its code failed."""
        self.step = 0
        self.first_step = 0
        """Where this attempt began."""
        self._identity = identity
        self._steps = steps
        self._started = time.time()
        self._state: State | None = None
        self._recording = threading.Lock()
        self._lock = DirectoryLock(
            directory, patience=patience, on_beat=self._beat, on_wait=on_wait
        )

    def __enter__(self) -> "RunWriter":
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock.__enter__()
        try:
            self._claim()
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def _claim(self) -> None:
        status = read_status(self.directory)
        state = status.get("state")
        self.previous = None if state == "queued" else state
        self.taken_over = self._lock.taken_over if state == "running" else None
        exception = status.get("exception") or {}
        self.fresh_start = state == "failed" and not exception.get("resumable", False)
        config = self.directory / layout.CONFIG
        old = read_config(self.directory)
        if old and old["hash"] != self._identity["hash"]:
            changed = differing_keys(old["config"], self._identity["config"])
            raise OtherRun(
                f"{self.directory} holds another run ({'; '.join(changed)}); choose another"
                " hydra.run.dir, or remove it"
            )
        # A damaged one is written anew where the directory's name says which run it is.
        if not old and config.exists() and not self.directory.name.endswith(self._identity["hash"]):
            raise OtherRun(
                f"{config} is damaged and may be another run's; choose another hydra.run.dir, or"
                " remove it"
            )
        for folder in (self.directory, self.directory / layout.EVALUATIONS):
            files.remove_leftovers(folder)
        files.write_json(config, self._identity)
        self._state = "running"
        self._write_status(self._status())
        (self.directory / layout.SUMMARY).unlink(missing_ok=True)  # an earlier attempt's

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._recording:
            if error is None:
                self._state = "completed"
            elif isinstance(error, (Interrupted, KeyboardInterrupt)):
                self._state = "interrupted"
            else:
                self._state = "failed"
        try:
            self._write_status(self._status(error))
        except OSError as failure:
            if error is None:
                raise
            # The reason for leaving is what matters; and a full disk may well be the reason.
            log.error("the status cannot be written (%s)", failure)
        finally:
            self._lock.__exit__(None, None, None)

    def begin(self, step: int) -> None:
        """Say where an attempt begins, and that it does so now: a status tells its pace."""
        with self._recording:
            self.step = self.first_step = step
            self._started = time.time()

    def _beat(self) -> None:
        with self._recording:
            if self._state == "running":
                self._write_status(self._status())

    def _status(self, error: BaseException | None = None) -> dict[str, Any]:
        now = time.time()
        status: dict[str, Any] = {
            "state": self._state,
            "step": self.step,
            "first_step": self.first_step,
            "steps": self._steps,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "heartbeat": now,
            "started": self._started,
            "ended": None if self._state == "running" else now,
            "exception": None,
        }
        if self._state == "failed" and error is not None:
            status["exception"] = {
                "type": type(error).__name__,
                "message": str(error),
                "traceback": "".join(traceback.format_exception(error)),
                "resumable": isinstance(error, _ENVIRONMENTAL)
                or getattr(error, "resumable", False)
                or type(error).__name__ == "OutOfMemoryError",
            }
        return status

    def _write_status(self, status: dict[str, Any]) -> None:
        path = self.directory / layout.STATUS
        try:
            files.write_json(path, status)
        except OSError:
            if not status["exception"]:
                raise
            # No room for a second file: into the room that the first one has.
            status["exception"]["traceback"] = ""
            with path.open("r+b") as file:
                file.write(files.to_json(status).encode())
                file.truncate()

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write the summary: the last file of a run."""
        files.write_json(
            self.directory / layout.SUMMARY,
            {"schema_version": layout.SCHEMA_VERSION, **summary},
        )

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Append one row; it is in the kernel's hands when this returns."""
        path = self.directory / layout.METRICS
        with files.naming(path), path.open("ab") as file:
            file.write((files.to_json(dict(row)) + "\n").encode())

    def read_metrics(self) -> list[dict[str, Any]]:
        """The rows so far."""
        lines = (self.directory / layout.METRICS).read_text().splitlines()
        return [json.loads(line) for line in lines]

    def sync_metrics(self) -> int:
        """Force the rows to disk; returns their length in bytes, for a checkpoint to remember."""
        path = self.directory / layout.METRICS
        with files.naming(path), path.open("ab") as file:
            os.fsync(file.fileno())
            return file.tell()

    def truncate_metrics(self, length: int) -> bool:
        """Drop the rows after `length` bytes: a resumed run writes them again.

        False, with nothing done, if there are fewer.
        """
        with (self.directory / layout.METRICS).open("ab") as file:
            if file.tell() < length:
                return False
            file.truncate(length)
        return True
