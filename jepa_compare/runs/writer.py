"""The training half's side of a run directory: one owner, status at every moment, metrics."""

import logging
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from jepa_compare.runs import layout
from jepa_compare.runs.codec import decode, encode
from jepa_compare.runs.digests import run_digests, signed
from jepa_compare.runs.lock import DirectoryLock
from jepa_compare.runs.reader import read_record
from jepa_compare.runs.records import (
    ConfigFile,
    Failure,
    State,
    StatusFile,
    SummaryFile,
)
from jepa_compare.runs.untrusted import Damaged
from jepa_compare.system import files
from jepa_compare.system.interrupts import Interrupted
from jepa_compare.system.stall import idle_seconds

T = TypeVar("T")
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


def read_status(directory: Path) -> StatusFile | None:
    """How far a run of ours is; None where nothing says so, or nothing readable."""
    return _read(StatusFile, directory, layout.STATUS)


def take_status(directory: Path) -> StatusFile | None:
    """The status, for whoever writes it next. A damaged one counts as none, with a warning; a
    folder in its place is moved out of the way."""
    path = directory / layout.STATUS
    try:
        return read_record(StatusFile, directory, layout.STATUS)
    except Damaged as damage:
        aside = ""
        if path.is_dir():
            path = path.rename(f"{path}.{time.time_ns()}")
            aside = f", what was there is now {path.name}"
        log.warning("%s: %s; it is written anew%s", directory, damage, aside)
        return None


def read_config(directory: Path) -> ConfigFile | None:
    """What identifies a run of ours; None where there is none or it is damaged."""
    return _read(ConfigFile, directory, layout.CONFIG)


def read_summary(directory: Path) -> SummaryFile | None:
    """What a run of ours achieved; None where nothing says so, or nothing readable."""
    return _read(SummaryFile, directory, layout.SUMMARY)


def is_complete(directory: Path, run_hash: str) -> bool:
    """Whether `directory` holds the run `run_hash`, finished."""
    status, config = read_status(directory), read_config(directory)
    if status is None or status.state != "completed" or config is None or config.hash != run_hash:
        return False
    return read_summary(directory) is not None


def _read(kind: type[T], directory: Path, name: str) -> T | None:
    try:
        return decode(kind, files.read_json(directory / name), name)
    except (OSError, ValueError):
        return None


class RunWriter:
    """Owns a run directory while it is entered.

    Entering raises Locked if another process owns it (and has not left after `patience` seconds,
    in which `on_wait` is called and may raise) and OtherRun if another configuration lives in it.
    Leaving records how: completed, failed (with the exception) or interrupted.
    """

    def __init__(
        self,
        directory: Path,
        config: ConfigFile,
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
        self._config = config
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
        status = take_status(self.directory)
        if status is not None:
            self.previous = None if status.state == "queued" else status.state
            self.taken_over = self._lock.taken_over if status.state == "running" else None
            resumable = status.exception is not None and status.exception.resumable
            self.fresh_start = status.state == "failed" and not resumable
        config = self.directory / layout.CONFIG
        stored = read_config(self.directory)
        if stored is not None and stored.hash != self._config.hash:
            changed = differing_keys(stored.config, self._config.config)
            raise OtherRun(
                f"{self.directory} holds another run ({'; '.join(changed)}); choose another"
                " hydra.run.dir, or remove it"
            )
        # A damaged one is written anew where the directory's name says which run it is.
        named_after_it = self.directory.name.endswith(self._config.hash)
        if stored is None and config.exists() and not named_after_it:
            raise OtherRun(
                f"{config} is damaged and may be another run's; choose another hydra.run.dir, or"
                " remove it"
            )
        for folder in (self.directory, self.directory / layout.EVALUATIONS):
            files.remove_leftovers(folder)
        files.write_json(config, encode(self._config))
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

    def give_up(self, error: BaseException) -> None:
        """Record the failure of a process that ends without leaving."""
        with self._recording:
            self._state = "failed"
            self._write_status(self._status(error))

    def begin(self, step: int) -> None:
        """Say where an attempt begins, and that it does so now: a status tells its pace."""
        with self._recording:
            self.step = self.first_step = step
            self._started = time.time()

    def _beat(self) -> None:
        with self._recording:
            if self._state == "running":
                self._write_status(self._status())

    def _status(self, error: BaseException | None = None) -> StatusFile:
        now = time.time()
        assert self._state is not None
        return StatusFile(
            state=self._state,
            step=self.step,
            first_step=self.first_step,
            steps=self._steps,
            host=socket.gethostname(),
            pid=os.getpid(),
            heartbeat=now,
            without_progress=idle_seconds() if self._state == "running" else 0.0,
            started=self._started,
            ended=None if self._state == "running" else now,
            exception=_failure(error) if self._state == "failed" and error is not None else None,
        )

    def _write_status(self, status: StatusFile) -> None:
        path = self.directory / layout.STATUS
        try:
            files.write_json(path, encode(status))
        except OSError:
            if status.exception is None:
                raise
            # No room for a second file: into the room that the first one has.
            short = replace(status, exception=replace(status.exception, traceback=""))
            with os.fdopen(files.descriptor(path, os.O_RDWR), "r+b") as file:
                file.write(files.to_json(encode(short)).encode())
                file.truncate()

    def write_summary(self, summary: SummaryFile) -> None:
        """Write the summary, the last file of a run: it names the run, vouches for its files."""
        content = files.finite(encode(replace(summary, run=self._config.hash)))
        digests = run_digests(self.directory, summary.floors.values())
        files.write_json(self.directory / layout.SUMMARY, signed(content, digests))

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Append one row; it is in the kernel's hands when this returns."""
        path = self.directory / layout.METRICS
        with files.naming(path), files.open_to_append(path) as file:
            file.write((files.to_json(dict(row)) + "\n").encode())

    def sync_metrics(self) -> int:
        """Force the rows to disk; returns their length in bytes, for a checkpoint to remember."""
        path = self.directory / layout.METRICS
        with files.naming(path), files.open_to_append(path) as file:
            os.fsync(file.fileno())
            return file.tell()

    def truncate_metrics(self, length: int) -> bool:
        """Drop the rows after `length` bytes: a resumed run writes them again.

        False, with nothing done, if there are fewer.
        """
        with files.open_to_append(self.directory / layout.METRICS) as file:
            if file.tell() < length:
                return False
            file.truncate(length)
        return True


def _failure(error: BaseException) -> Failure:
    kind = type(error).__name__
    resumable = isinstance(error, _ENVIRONMENTAL) or kind == "OutOfMemoryError"
    return Failure(
        type=kind,
        message=str(error),
        traceback=getattr(error, "trace", None) or "".join(traceback.format_exception(error)),
        resumable=resumable or getattr(error, "resumable", False),
    )
