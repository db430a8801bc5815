"""`jepa-compare reproduce RUN_DIR`: run it again and compare the numbers."""

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from jepa_compare.runs import layout
from jepa_compare.runs.codec import encode
from jepa_compare.runs.metrics_log import read_rows
from jepa_compare.runs.reader import read_record
from jepa_compare.runs.records import SummaryFile
from jepa_compare.runs.untrusted import Damaged
from jepa_compare.runs.writer import differing_keys
from jepa_compare.sweep.job import stored_job
from jepa_compare.system import files
from jepa_compare.system.terminal import say

_RECORDED = ("versions", "hardware", "git", "flags", "environment")


class CannotReproduce(RuntimeError):
    """The directory does not hold a finished run."""


def summary_of(directory: Path) -> SummaryFile:
    """What a finished run achieved. Raises CannotReproduce where that cannot be read."""
    try:
        summary = read_record(SummaryFile, directory, layout.SUMMARY)
    except Damaged as error:
        raise CannotReproduce(f"{directory}: {error}") from error
    assert summary is not None, "a run that has ended has a summary"
    return summary


def rows_of(directory: Path) -> list[dict[str, Any]]:
    """The logged rows of a run, as its file spells them: a NaN is equal to itself there.

    Raises CannotReproduce for a damaged one.
    """
    rows: list[dict[str, Any]] = []
    for row in read_rows(directory):
        if row is None:
            raise CannotReproduce(f"{directory / layout.METRICS} is damaged")
        rows.append(files.finite({"step": row.step, **row.values}))
    return rows


def first_difference(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> str | None:
    """'step, key: old -> new' of the first value that differs, or None if all are equal."""
    for before, after in zip(old, new, strict=False):
        changed = differing_keys(before, after)
        if changed:
            return f"step {before['step']}, {changed[0]}"
    return None if len(old) == len(new) else f"{len(old)} rows -> {len(new)} rows"


def reproduce(directory: Path, out: Path | None = None, *, trust: bool = False) -> bool:
    """Run the config of `directory` again, into `out` or a temporary directory.

    Prints what differs: first the surroundings, then the metrics. Returns whether all metrics are
    equal, bit for bit. Raises CannotReproduce if `directory` holds no finished run, or `out` holds
    anything, ConfigError if its config cannot run here. A run that diverged is reproduced by one
    that diverges.
    """
    from jepa_compare.training import Diverged, run  # torch

    for name in (layout.CONFIG, layout.SUMMARY, layout.METRICS):
        if not (directory / name).exists():
            raise CannotReproduce(f"{directory} holds no finished run: it has no {name}")
    if out is not None and out.exists() and any(out.iterdir()):
        raise CannotReproduce(f"{out} is not empty: a run that is there would be continued")
    job = stored_job(directory, trust=trust)
    old, rows = summary_of(directory), rows_of(directory)
    config = job.config
    # What `auto` chose then: measured again, it may choose otherwise, and round otherwise.
    config.training.compile = old.compile
    config.tracking.mode = "disabled"  # or W&B would take it for the first run, resumed
    with tempfile.TemporaryDirectory() as temporary:
        again = out or Path(temporary) / directory.name
        with contextlib.suppress(Diverged):
            run(config, job.identity, again)
        before, after = encode(old), encode(summary_of(again))
        for name in _RECORDED:
            for line in differing_keys(before[name], after[name], f"{name}."):
                say(f"differs: {line}")
        difference = first_difference(rows, rows_of(again))
    if difference is None:
        say(f"{directory.name}: all metrics equal, bit for bit")
    else:
        say(f"{directory.name}: {difference}", file=sys.stderr)
    return difference is None
