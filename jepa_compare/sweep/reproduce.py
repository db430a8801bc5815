"""`jepa-compare reproduce RUN_DIR`: run it again and compare the numbers."""

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from jepa_compare.runs import layout
from jepa_compare.runs.metrics_log import read_rows
from jepa_compare.runs.writer import differing_keys
from jepa_compare.sweep.job import stored_job
from jepa_compare.system import files

_RECORDED = ("versions", "hardware", "git", "flags", "environment")


class CannotReproduce(RuntimeError):
    """The directory does not hold a finished run."""


def rows_of(directory: Path) -> list[dict[str, Any] | None]:
    """The logged rows of a run, as its file spells them: a NaN is equal to itself there."""
    return [
        None if row is None else files.finite({"step": row.step, **row.values})
        for row in read_rows(directory)
    ]


def first_difference(old: list[Any], new: list[Any]) -> str | None:
    """'step, key: old -> new' of the first value that differs, or None if all are equal."""
    for before, after in zip(old, new, strict=False):
        changed = differing_keys(before, after)
        if changed:
            return f"step {before and before['step']}, {changed[0]}"
    return None if len(old) == len(new) else f"{len(old)} rows -> {len(new)} rows"


def reproduce(directory: Path, out: Path | None = None) -> bool:
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
    job, old = stored_job(directory), files.read_json(directory / layout.SUMMARY)
    if not isinstance(old, dict) or not old:
        raise CannotReproduce(f"{directory / layout.SUMMARY} is damaged")
    rows, config = rows_of(directory), job.config
    # What `auto` chose then: measured again, it may choose otherwise, and round otherwise.
    config.training.compile = old.get("compile", config.training.compile)
    config.tracking.mode = "disabled"  # or W&B would take it for the first run, resumed
    with tempfile.TemporaryDirectory() as temporary:
        again = out or Path(temporary) / directory.name
        with contextlib.suppress(Diverged):
            run(config, job.identity, again)
        new = files.read_json(again / layout.SUMMARY)
        for name in _RECORDED:
            for line in differing_keys(old.get(name), new.get(name), f"{name}."):
                print(f"differs: {line}")
        difference = first_difference(rows, rows_of(again))
    if difference is None:
        print(f"{directory.name}: all metrics equal, bit for bit")
    else:
        print(f"{directory.name}: {difference}", file=sys.stderr)
    return difference is None
