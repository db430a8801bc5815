"""The status of a run as others than its owner have it: queued, dead, or damaged."""

import socket
import time
from dataclasses import replace
from pathlib import Path

from jepa_compare.runs import layout
from jepa_compare.runs.codec import encode
from jepa_compare.runs.records import ConfigFile, Failure, StatusFile
from jepa_compare.runs.writer import read_status, take_status
from jepa_compare.system import files


def write_queued(directory: Path, config: ConfigFile, steps: int) -> None:
    """Announce a run that has not started, unless it has already begun or ended."""
    if take_status(directory) is not None:
        return
    files.write_json(directory / layout.CONFIG, encode(config))
    status = StatusFile(
        state="queued",
        step=0,
        steps=steps,
        host=None,
        pid=None,
        heartbeat=time.time(),
        started=None,
        ended=None,
        exception=None,
    )
    files.write_json(directory / layout.STATUS, encode(status))


def record_death(directory: Path, how: str, pid: int, *, was_ended: bool = False) -> None:
    """Say in the status of a run that its process, `pid` on this machine, ended without saying so;
    `was_ended`: by whoever found that it failed, even if it then left in order.

    Nothing is said of a run that another process has taken: that one lives.
    """
    status = read_status(directory)
    if status is None:
        return
    here = (status.host, status.pid) == (socket.gethostname(), pid)
    left = ("running", "interrupted") if was_ended else ("running",)
    if status.state == "queued" or (status.state in left and here):
        failure = Failure(type="JobDied", message=how, traceback="", resumable=True)
        status = replace(status, state="failed", ended=time.time(), exception=failure)
        files.write_json(directory / layout.STATUS, encode(status))
