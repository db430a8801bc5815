"""How far long work is: log lines now and then, and logs that do not tear a bar on the terminal."""

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

log = logging.getLogger(__name__)

SECONDS = 5.0
"""Between two lines of `note`, at least."""
_said = {"at": -SECONDS}


def note(what: str, number: int, of: int, name: str) -> None:
    """Log "<what> <number>/<of>: <name>", what begins, unless there was such a line just now."""
    now = time.monotonic()
    if now - _said["at"] >= SECONDS:
        _said["at"] = now
        log.info("%s %d/%d: %s", what, number, of, name)


def noted(what: str, names: Sequence[str]) -> Iterator[str]:
    """The names, each noted when its turn begins."""
    for number, name in enumerate(names, start=1):
        note(what, number, len(names), name)
        yield name


@contextmanager
def logs_above_bar() -> Iterator[None]:
    """Within it, logs that go to the terminal go through `sys.stderr`, which rich has replaced
    while it draws a bar: they are printed above it, not into it. Logs to files stay as they are."""
    moved: list[tuple[logging.StreamHandler[Any], object]] = []
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler and handler.stream.isatty():
            moved.append((handler, handler.setStream(sys.stderr)))
    try:
        yield
    finally:
        for handler, stream in moved:
            handler.setStream(stream)
