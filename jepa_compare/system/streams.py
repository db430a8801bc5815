"""Standard streams that stop nothing: closed, full, or of an encoding that lacks a character."""

import codecs
import io
import os
import sys

_CLOSEST = str.maketrans("±↑↓·–—²×…", "~^v.--2x.")  # one for one, so that columns stay aligned
_ERRORS = "jepa_compare.closest"


class Output(io.TextIOWrapper):
    """A standard stream that cannot fail: from its first error on, what is written is lost."""

    failed: OSError | None = None
    """That error."""

    def write(self, text: str) -> int:
        """Write, or lose it."""
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Flush, or lose what has been written."""
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.failed = self.failed or error
        _to_nowhere(self.fileno())  # what is still buffered will be written again


def steady_streams() -> None:
    """Make this process's standard streams such that no message raises, whatever they are.

    A stream that somebody has put into the place of Python's own is left as it is.
    """
    codecs.register_error(_ERRORS, _closest)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream, mode = getattr(sys, name), "w" if number else "r"
        if stream is None:  # closed: the next file that is opened must not become it
            if not _is_open(number):
                _to_nowhere(number)
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
        elif number and type(stream) is io.TextIOWrapper and stream is getattr(sys, f"__{name}__"):
            steady = Output(
                stream.buffer,
                encoding=stream.encoding,
                errors=_ERRORS,
                line_buffering=stream.line_buffering,
            )
            setattr(sys, name, steady)


def lost_output() -> str | None:
    """In words, why something that was printed is lost; None if nothing is, or if its reader had
    enough."""
    sys.stdout.flush()
    error = getattr(sys.stdout, "failed", None)
    if error is None or isinstance(error, BrokenPipeError):
        return None
    return f"standard output cannot be written ({error.strerror}); what it had to say is lost"


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _to_nowhere(number: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null == number:
        os.set_inheritable(null, True)
    else:
        os.dup2(null, number)
        os.close(null)


def _closest(error: UnicodeError) -> tuple[str, int]:
    """The characters that an encoding lacks as the closest of ASCII."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end].translate(_CLOSEST)
    return "".join(c if c.isascii() else "?" for c in text), error.end
