"""A process of `hydra/launcher=process`, from inside: it leaves with its launcher, and in time."""

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from jepa_compare.runs.writer import EXIT_SECONDS

WATCH = "JEPA_COMPARE_LAUNCHED"
"""The variable by which a process knows that it was launched."""


@contextmanager
def launched() -> Iterator[None]:
    """Around the work of a process: one that was launched leaves when the launcher dies, however it
    dies, and when its work is done, whichever threads a user's code has left behind.

    The launcher holds the other end of this process's standard input; the kernel closes it.
    """
    if os.environ.pop(WATCH, None) is None:
        yield
        return
    threading.Thread(target=_leave_with_launcher, daemon=True).start()
    status: object = 0
    try:
        yield
    except SystemExit as error:
        status = error.code
        if isinstance(status, str):
            print(status, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # pyright: ignore[reportArgumentType]
        status = 1
    others = threading.enumerate()
    if any(not t.daemon for t in others if t is not threading.current_thread()):
        # Python would wait for them before it does the rest of its leaving.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else int(status is not None))
    sys.exit(status)


def _leave_with_launcher() -> None:
    while os.read(0, 1):
        continue
    # The launcher made this process a group's leader: what it has started itself leaves too.
    os.killpg(os.getpid(), signal.SIGTERM)
    time.sleep(EXIT_SECONDS)
    os.killpg(os.getpid(), signal.SIGKILL)
