"""SIGTERM, SIGINT and SIGUSR2 (Slurm's warning) as a request to leave, not as a death."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)


class Interrupted(BaseException):
    """The run was asked to leave. Not an Exception: nothing between may swallow it."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signum).name}")
        self.signum = signum


class Interrupts:
    """Catches the signals while it is entered.

    In a training step a signal only sets a flag, which the loop reads between two steps by
    `leave_if_requested`; inside `at_once()`, around work that changes nothing, it raises
    immediately. After the run has left, the handler that was there before is called: a
    scheduler's own requeues the job.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self._at_once = False
        self._previous: dict[int, object] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            for signum in SIGNALS:
                self._previous[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)  # pyright: ignore[reportArgumentType]
        previous = self._previous.get(self.requested or 0)
        if self.requested == signal.SIGUSR2 and callable(previous):
            previous(self.requested, None)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        self.requested = signum
        if self._at_once:
            raise Interrupted(signum)

    def leave_if_requested(self) -> None:
        """Raise Interrupted if a signal came since the last call."""
        if self.requested is not None:
            raise Interrupted(self.requested)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let a signal raise where it hits."""
        self.leave_if_requested()
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False
