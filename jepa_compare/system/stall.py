"""Whether a run gets on: what finishes a piece of work says so, and a watch ends what does not."""

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType, TracebackType

from jepa_compare.system.interrupts import GRACE_SECONDS

_last = time.monotonic()


class Stalled(RuntimeError):
    """Nothing was finished for too long. `trace` is where the main thread was then, if the error
    could not be raised there."""

    resumable = True  # a network file system as well as a loop without an end
    trace: str | None = None


def progressed() -> None:
    """Say that a piece of work is done: a training step, a plan, a measure, a picture."""
    global _last
    _last = time.monotonic()


def idle_seconds() -> float:
    """Seconds since this process has last `progressed`."""
    return time.monotonic() - _last


class StallWatch:
    """While it is entered, `timeout` seconds without progress end what goes on; None: never.

    Stalled is raised in the main thread, where it waits. What is not impressed in GRACE_SECONDS, as
    it waits in C, cannot be ended alone: `last_words` is called with the error, and the process
    ends with exit status 1.
    """

    def __init__(self, timeout: float | None, last_words: Callable[[Stalled], object]) -> None:
        self._timeout, self._last_words = timeout, last_words
        self._left = threading.Event()
        self._thread: threading.Thread | None = None
        self._due: Stalled | None = None
        self._in_main = threading.current_thread() is threading.main_thread()
        self._previous: object = None

    def __enter__(self) -> "StallWatch":
        progressed()
        if self._timeout is not None:
            if self._in_main:
                self._previous = signal.signal(signal.SIGALRM, self._raise)
            self._thread = threading.Thread(target=self._watch, args=(self._timeout,), daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left.set()
        if self._thread is not None:
            self._thread.join()
            if self._in_main:
                signal.signal(signal.SIGALRM, self._previous)  # pyright: ignore[reportArgumentType]

    def _watch(self, timeout: float) -> None:
        main = threading.main_thread().ident
        assert main is not None
        while not self._left.wait(min(1.0, timeout / 4)):
            if idle_seconds() < timeout:
                continue
            error = Stalled(f"no progress for training.stall_timeout={timeout:g} s")
            if self._in_main:
                self._due = error
                signal.pthread_kill(main, signal.SIGALRM)
                if self._left.wait(GRACE_SECONDS):
                    return
                if idle_seconds() < timeout:
                    continue
            error.trace = "".join(traceback.format_stack(sys._current_frames()[main]))
            self._last_words(error)
            os._exit(1)

    def _raise(self, signum: int, frame: FrameType | None) -> None:
        error, self._due = self._due, None
        if error is not None:
            raise error
        if callable(self._previous):
            self._previous(signum, frame)  # somebody else's alarm
