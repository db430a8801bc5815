"""`jepa-compare status SWEEP`: how far each run is, as the run directories tell it."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from jepa_compare.comparison.loading.load import NoRunsError, load_runs
from jepa_compare.comparison.runs import OUTCOMES, Run, Runs
from jepa_compare.runs.layout import STATUS
from jepa_compare.runs.reader import read_record
from jepa_compare.runs.records import StatusFile
from jepa_compare.runs.untrusted import Damaged, shown

_COLOURS = {"healthy": "green", "running": "cyan", "queued": "dim"}


def remaining_seconds(run: Run, now: float) -> float | None:
    """Expected training time left, from this attempt's pace; None if it cannot be told."""
    if run.state != "running" or run.started is None:
        return None
    try:
        status = read_record(StatusFile, run.path, STATUS)
    except Damaged:
        return None
    if status is None:
        return None
    done, until = status.step - status.first_step, status.heartbeat  # of which `done` was true
    if done <= 0 or not run.started < until:
        return None
    left = (until - run.started) * (run.steps - run.step) / done
    return max(0.0, left - (now - until))


def sweep_seconds(runs: Runs, now: float) -> float | None:
    """Expected time until no run is left, as many at once as run now; None if it cannot be told.

    A queued run is expected to take what finished ones took, or else what the running ones will.
    """
    running = [run for run in runs if run.state == "running"]
    left = [remaining_seconds(run, now) for run in running]
    known = [seconds for seconds in left if seconds is not None]
    if not running or len(known) < len(running):
        return None
    whole = [
        run.ended - run.started
        for run in runs
        if run.state == "completed" and run.ended is not None and run.started is not None
    ] or [now - (run.started or now) + rest for run, rest in zip(running, known, strict=True)]
    queued = sum(run.state == "queued" for run in runs)
    return max(*known, (sum(known) + queued * sum(whole) / len(whole)) / len(running))


def status_table(runs: Runs, now: float) -> Table:
    """One row per run; the caption counts the outcomes and says how long the whole may take."""
    whole_name = Column("run", no_wrap=True, overflow="fold")  # it is typed, as `train --run` is
    table = Table(whole_name, *(Column(c, overflow="fold") for c in ("state", "step", "left")))
    table.add_column("reason", overflow="fold")
    for run in runs:
        left = remaining_seconds(run, now)
        colour = _COLOURS.get(run.outcome, "red")
        table.add_row(
            escape(shown(run.path.name)),
            f"[{colour}]{run.outcome}[/]",
            f"{run.step}/{run.steps}",
            "" if left is None else f"{left:.0f} s",
            escape(run.reason),
        )
    outcomes = [run.outcome for run in runs]
    counts = [f"{outcomes.count(o)} {o}" for o in OUTCOMES if o in outcomes]
    whole = sweep_seconds(runs, now)
    if whole is not None:
        counts.append(f"about {whole:.0f} s left in all")
    table.caption = ", ".join(counts)
    return table


def _view(runs: Runs) -> Group:
    """The table, and what could not be read."""
    unread = [Text(f"! {shown(str(item.path))}: {item.reason}", "yellow") for item in runs.left_out]
    return Group(status_table(runs, time.time()), *unread)


def show_status(paths: Sequence[Path], watch: float | None) -> None:
    """Print the table once, or every `watch` seconds until nothing runs or Ctrl-C.

    Raises NoRunsError for a path that does not exist and where there is no run.
    """
    console = Console()
    runs = load_runs(*paths)
    if not runs.runs:
        lost = "".join(f"; {item.path}: {item.reason}" for item in runs.left_out[:1])
        raise NoRunsError(f"no run found in {', '.join(map(str, runs.roots))}{lost}")
    if watch is None:
        console.print(_view(runs))
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(_view(runs), refresh=True)
            if all(run.state not in ("queued", "running") for run in runs):
                return
            time.sleep(watch)
            runs = load_runs(*paths)
