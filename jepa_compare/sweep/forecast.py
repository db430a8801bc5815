"""What a sweep will take, said before its first run: how many runs, how long, how much disk."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from jepa_compare.runs.layout import SUMMARY
from jepa_compare.runs.reader import read_record
from jepa_compare.runs.records import SummaryFile
from jepa_compare.runs.untrusted import Damaged
from jepa_compare.runs.writer import differing_keys, is_complete, read_config
from jepa_compare.sweep.job import Job

_NO_TIME = ("seed", "sweep", "training.lr", "evaluation.seed")  # they take none
_WARM_STEPS, _TIMED_STEPS = 2, 5


def announcement(
    jobs: Sequence[Job], *, at_once: int, disk_bytes: int, later: Sequence[int] = ()
) -> str:
    """One line on what `jobs` will take, where `at_once` of them run side by side.

    `later`: the lengths of runs that follow, in multiples of the first job's.
    """
    runs = {job.directory: job for job in jobs}
    todo = [job for job in runs.values() if not is_complete(job.directory, job.identity.hash)]
    done = f" ({len(runs) - len(todo)} complete)" if len(todo) < len(runs) else ""
    count = len(runs) + len(later)
    text = f"{count} run{'s' if count > 1 else ''}{done}"
    if not todo and not later:
        return f"{text}: nothing to train"
    like = todo[0] if todo else jobs[0]
    each, source = _seconds_of_runs_like(like), "as the runs of these settings took"
    if each is None:
        each, source = _seconds_of_steps(like), "for the steps, evaluations apart"
    time_text = ""
    if each is not None:
        total = each * (len(todo) + sum(later)) / min(at_once, len(todo) + len(later))
        time_text = f": about {_duration(total)} {source}"
    if todo:
        disk_bytes = disk_bytes * (len(todo) + len(later)) // len(todo)
    disk = f"up to {disk_bytes / 1e6:.3g} MB of checkpoints"
    return f"{text}, {at_once} at once{time_text}; {disk}"


def listing(jobs: Sequence[Job]) -> str:
    """A line per run directory: its name, how far it is, and what sets it apart."""
    lines: dict[Path, str] = {}
    for job in jobs:
        complete = is_complete(job.directory, job.identity.hash)
        state = "complete" if complete else "to do"
        overrides = " ".join(o for o in job.identity.overrides if not o.startswith("sweep="))
        lines.setdefault(job.directory, f"  {job.directory.name}  {state}  {overrides}")
    return "\n".join(lines.values())


def rows(jobs: Sequence[Job]) -> int:
    """How many rows the comparison will have: seeds of the same settings are one."""
    kept: list[dict[str, object]] = []
    for job in jobs:
        settings = {key: value for key, value in job.identity.config.items() if key != "seed"}
        if settings not in kept:
            kept.append(settings)
    return len(kept)


def _seconds_of_runs_like(job: Job) -> float | None:
    """Median wall time of complete runs, in this sweep and those beside it, that differ from `job`
    in their loss and seed alone."""
    seconds: list[float] = []
    for path in sorted(job.directory.parent.parent.glob(f"*/*/{SUMMARY}"))[:200]:
        stored = read_config(path.parent)
        if stored is None:
            continue
        changed = {
            line.split(":")[0] for line in differing_keys(stored.config, job.identity.config)
        }
        if all(key in _NO_TIME or key.startswith("aux_loss.") for key in changed):
            try:
                summary = read_record(SummaryFile, path.parent, SUMMARY)
            except Damaged:
                continue
            if summary is not None:
                seconds.append(summary.seconds.total)
    return median(seconds) if seconds else None


def _seconds_of_steps(job: Job) -> float | None:
    """Wall time of all optimisation steps, from a few that are made and thrown away.

    None where a step fails, which is the job's own affair, and where it would run a user's code: in
    this process that could end the sweep.
    """
    from jepa_compare.build import foreign_targets  # torch
    from jepa_compare.training.state import TrainingState
    from jepa_compare.training.step import training_step

    if foreign_targets(job.identity.config):
        return None
    try:
        state = TrainingState.build(job.config)
        started = 0.0
        for step in range(_WARM_STEPS + _TIMED_STEPS):
            if step == _WARM_STEPS:
                started = time.monotonic()
            terms = training_step(state, state.batch(state.step), measure_gradients=False)
            float(terms["train/loss"])  # waits for the device
            state.step += 1
    except (ArithmeticError, MemoryError, RuntimeError, ValueError):
        return None
    return (time.monotonic() - started) / _TIMED_STEPS * job.config.training.steps


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{max(seconds, 1):.0f} s"
