"""The training half's side of a run directory: one owner, status at every moment, metrics."""

import json
import os
import socket
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from jepa_compare import run_dir
from jepa_compare.interrupts import Interrupted
from jepa_compare.lock import DirectoryLock
from jepa_compare.run_dir import State

HEARTBEAT_SECONDS = 5.0
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
        status = run_dir.read_json(directory / run_dir.STATUS)
    except (OSError, ValueError):
        return {}
    return status if isinstance(status, dict) else {}


def is_complete(directory: Path, identity: Mapping[str, Any]) -> bool:
    """Whether `directory` holds this very run, finished."""
    if read_status(directory).get("state") != "completed":
        return False
    try:
        stored = run_dir.read_json(directory / run_dir.CONFIG)
        summary = run_dir.read_json(directory / run_dir.SUMMARY)
    except (OSError, ValueError):
        return False
    return stored.get("hash") == identity["hash"] and "metrics" in summary


def write_queued(directory: Path, identity: Mapping[str, Any], steps: int) -> None:
    """Announce a run that has not started, unless it has already begun or ended."""
    if read_status(directory):
        return
    run_dir.write_json(directory / run_dir.CONFIG, identity)
    status = {"state": "queued", "step": 0, "steps": steps, "host": None, "pid": None}
    status |= {"heartbeat": time.time(), "started": None, "ended": None, "exception": None}
    run_dir.write_json(directory / run_dir.STATUS, status)


class RunWriter:
    """Owns a run directory while it is entered.

    Entering raises Locked if another process owns it and OtherRun if another configuration lives
    in it. Leaving records how: completed, failed (with the exception) or interrupted.
    """

    def __init__(self, directory: Path, identity: Mapping[str, Any], steps: int) -> None:
        self.directory = directory
        self.taken_over: str | None = None
        self.previous: State | None = None
        """How the last attempt at this run ended; None for a first one."""
        self.fresh_start = True
        """Whether what an earlier attempt left must not be continued."""
        self.step = 0
        self._identity = identity
        self._steps = steps
        self._started = time.time()
        self._lock = DirectoryLock(directory)
        self._alive = threading.Event()

    def __enter__(self) -> "RunWriter":
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock.__enter__()
        try:
            self._claim()
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self._heart.start()
        return self

    def _claim(self) -> None:
        status = read_status(self.directory)
        state = status.get("state")
        self.previous = None if state == "queued" else state
        self.taken_over = self._lock.taken_over if state == "running" else None
        exception = status.get("exception") or {}
        self.fresh_start = state in (None, "queued") or (
            state == "failed" and not exception.get("resumable", False)
        )
        config = self.directory / run_dir.CONFIG
        if config.exists():
            old = run_dir.read_json(config)
            if old["hash"] != self._identity["hash"]:
                changed = differing_keys(old["config"], self._identity["config"])
                raise OtherRun(
                    f"{self.directory} holds another run ({'; '.join(changed)}); choose another"
                    " hydra.run.dir, or remove it"
                )
        run_dir.write_json(config, self._identity)
        self._write_status("running")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._alive.set()
        self._heart.join()
        try:
            if error is None:
                self._write_status("completed", ended=True)
            elif isinstance(error, (Interrupted, KeyboardInterrupt)):
                self._write_status("interrupted", ended=True)
            else:
                self._write_status("failed", ended=True, error=error)
        finally:
            self._lock.__exit__(None, None, None)

    def _beat(self) -> None:
        while not self._alive.wait(HEARTBEAT_SECONDS):
            try:
                self._lock.heartbeat()
                self._write_status("running")
            except OSError:
                continue  # a full disk is the training's to report, with its step

    def _write_status(
        self, state: State, *, ended: bool = False, error: BaseException | None = None
    ) -> None:
        now = time.time()
        status: dict[str, Any] = {
            "state": state,
            "step": self.step,
            "steps": self._steps,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "heartbeat": now,
            "started": self._started,
            "ended": now if ended else None,
            "exception": None,
        }
        if error is not None:
            status["exception"] = {
                "type": type(error).__name__,
                "message": str(error),
                "traceback": "".join(traceback.format_exception(error)),
                "resumable": isinstance(error, _ENVIRONMENTAL)
                or type(error).__name__ == "OutOfMemoryError",
            }
        run_dir.write_json(self.directory / run_dir.STATUS, status)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write the summary: the last file of a run."""
        run_dir.write_json(
            self.directory / run_dir.SUMMARY,
            {"schema_version": run_dir.SCHEMA_VERSION, **summary},
        )

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Append one row; it is in the kernel's hands when this returns."""
        with (self.directory / run_dir.METRICS).open("ab") as file:
            file.write((run_dir.to_json(dict(row)) + "\n").encode())

    def read_metrics(self) -> list[dict[str, Any]]:
        """The rows so far."""
        lines = (self.directory / run_dir.METRICS).read_text().splitlines()
        return [json.loads(line) for line in lines]

    def sync_metrics(self) -> int:
        """Force the rows to disk; returns their length in bytes, for a checkpoint to remember."""
        with (self.directory / run_dir.METRICS).open("ab") as file:
            os.fsync(file.fileno())
            return file.tell()

    def truncate_metrics(self, length: int) -> None:
        """Drop the rows after `length` bytes: a resumed run writes them again."""
        with (self.directory / run_dir.METRICS).open("ab") as file:
            file.truncate(length)
