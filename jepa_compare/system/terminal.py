"""Text of files and exceptions on its way to a terminal: no control character gets there raw."""

import io
import logging
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from jepa_compare.system import files


def printable(text: object, keep: str = "") -> str:
    """The text with every control character, bidirectional override and lone surrogate escaped as
    Python writes it; those in `keep` stay."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )


def one_line(text: object) -> str:
    """A message, `printable`, with its line breaks as spaces."""
    return printable(" ".join(str(text).split("\n")))


def say(message: object, file: Any = None) -> None:
    """Print a message as one line; on standard output unless `file` is given."""
    print(one_line(message), file=file, flush=True)


def raise_printable(error: Exception) -> NoReturn:
    """Raise the exception for a traceback that somebody else prints: itself, or, where a message
    in its chain is not `printable`, one of the same name alone whose message is."""
    lines = "".join(traceback.format_exception(error))
    if printable(lines, keep="\n\t") == lines:
        raise error
    safe = type(type(error).__name__, (RuntimeError,), {})(one_line(error))
    raise safe.with_traceback(error.__traceback__) from None


class Formatter(logging.Formatter):
    """Records, with their tracebacks, without raw control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return printable(super().format(record), keep="\n\t")


class LogFile(logging.FileHandler):
    """A log below a run directory: opened as every file there is."""

    def _open(self) -> Any:
        return io.TextIOWrapper(
            files.open_to_append(Path(self.baseFilename)), "utf-8", write_through=True
        )


def escape_tracebacks() -> None:
    """Have the tracebacks of this process, also those of its threads, printed without raw control
    characters."""

    def show(
        kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
    ) -> None:
        lines = "".join(traceback.format_exception(kind, error, trace))
        print(printable(lines, keep="\n\t"), end="", file=sys.stderr)

    def show_in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            show(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = show
    threading.excepthook = show_in_thread
