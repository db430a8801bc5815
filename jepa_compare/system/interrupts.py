"""SIGTERM, SIGINT and SIGUSR2 (Slurm's warning) as a request to leave, not as a death."""

import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType, TracebackType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
GRACE_SECONDS = 3.0
"""How long a training step may go on after a signal; what asked leaves time for ten, as a rule."""


class Interrupted(BaseException):
    """The run was asked to leave. Not an Exception: nothing between may swallow it."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signum).name}")
        self.signum = signum


class Interrupts:
    """Catches the signals while it is entered.

    A signal sets a flag, which `raise_if_requested` reads between two steps. Inside `soon()` it
    raises by itself if that has not happened in GRACE_SECONDS (a step that is being compiled, say);
    inside `at_once()`, around work that changes nothing, it raises where it hits. A request that
    nobody has read is raised at the end. After the run has left, the handler that was there before
    is called: a scheduler's own requeues the job.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self._patience: float | None = None
        self._armed = False
        self._previous: dict[int, object] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            for signum in SIGNALS:
                self._previous[signum] = signal.signal(signum, self._handle)
            self._previous[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._overdue)
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
        if error is None:
            self.raise_if_requested()

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        first = self.requested is None
        self.requested = signum
        if not first:
            return  # it is leaving already
        if self._patience == 0:
            raise Interrupted(signum)
        if self._patience is not None:
            self._armed = True
            signal.setitimer(signal.ITIMER_REAL, self._patience)

    def _overdue(self, signum: int, frame: FrameType | None) -> None:
        previous = self._previous.get(signal.SIGALRM)
        if self._armed and self.requested is not None:
            raise Interrupted(self.requested)
        if callable(previous):
            previous(signum, frame)  # somebody else's alarm

    def raise_if_requested(self) -> None:
        """Raise Interrupted if a signal came since the last call."""
        if self.requested is not None:
            raise Interrupted(self.requested)

    def soon(self) -> AbstractContextManager[None]:
        """Let a signal raise unless it is obeyed in GRACE_SECONDS."""
        return self._within(GRACE_SECONDS)

    def at_once(self) -> AbstractContextManager[None]:
        """Let a signal raise where it hits."""
        return self._within(0)

    @contextmanager
    def _within(self, patience: float) -> Iterator[None]:
        self.raise_if_requested()
        before, self._patience = self._patience, patience
        try:
            self.raise_if_requested()  # one that came between those two lines
            yield
        finally:
            self._patience = before
            if self._armed:
                self._armed = False
                signal.setitimer(signal.ITIMER_REAL, 0)
