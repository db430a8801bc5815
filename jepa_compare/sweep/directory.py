"""A sweep's directory: one owner, every job announced in it, the comparison at its end."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jepa_compare.checks import ConfigError
from jepa_compare.runs.codec import encode
from jepa_compare.runs.layout import COMPARISON, CONFIG, CONSOLE, FLOORS, LOG, SWEEP
from jepa_compare.runs.lock import DirectoryLock
from jepa_compare.runs.records import SCHEMA_VERSION, SweepFile
from jepa_compare.runs.writer import (
    differing_keys,
    is_complete,
    read_config,
    read_status,
    write_queued,
)
from jepa_compare.sweep.job import Job
from jepa_compare.sweep.plan import CommandLine
from jepa_compare.system import files
from jepa_compare.system.terminal import say


@contextmanager
def sweep(command: CommandLine) -> Iterator[None]:
    """Own the sweep's directory, announce its jobs, and compare them however it ends."""
    with announced(command):
        try:
            yield
        finally:
            finish(command.jobs[0].directory.parent, command.jobs)


@contextmanager
def announced(command: CommandLine) -> Iterator[None]:
    """Own the sweep's directory, with every job queued in it, and sweep.json."""
    jobs = command.jobs
    directory = jobs[0].directory.parent
    with DirectoryLock(directory) as lock:
        if lock.taken_over:
            say(f"jepa_compare: taking over from {lock.taken_over}", file=sys.stderr)
        (directory / FLOORS).mkdir(exist_ok=True)
        runs: dict[Path, Job] = {}
        for job in jobs:  # the first of one directory is the run, the others evaluate it again
            runs.setdefault(job.directory, job)
        for job in runs.values():
            files.below(job.directory.parent, job.directory.name)
            name_the_difference(job, jobs)
            announce(job)
        swept = SweepFile(
            schema_version=SCHEMA_VERSION,
            command=sys.argv,
            overrides=command.overrides,
            runs=[os.path.relpath(path, directory) for path in runs],
        )
        files.write_json(directory / SWEEP, encode(swept))
        yield


def announce(job: Job) -> None:
    """Write what a process needs to start the job from its directory, unless it is complete.

    Raises ConfigError if another run lives there.
    """
    stored, config = read_config(job.directory), job.directory / CONFIG
    if stored and stored.hash != job.identity.hash:
        changed = "; ".join(differing_keys(stored.config, job.identity.config))
        raise ConfigError(f"{job.directory} holds another run ({changed})")
    if not stored and config.exists() and not job.directory.name.endswith(job.identity.hash):
        raise ConfigError(f"{config} is damaged and may be another run's; remove it")
    if not is_complete(job.directory, job.identity.hash):
        files.write_json(config, encode(job.identity))
        write_queued(job.directory, job.identity, job.config.training.steps)


def finish(directory: Path, jobs: Sequence[Job]) -> None:
    """Write and print the comparison of a sweep, then list what failed and why."""
    from jepa_compare.report import write_comparison

    try:
        print(write_comparison([directory], out=directory / COMPARISON))
    except Exception as error:  # the runs are safe on disk; their comparison can be made again
        say(f"jepa_compare: no comparison ({type(error).__name__}: {error})", file=sys.stderr)
    for directory in dict.fromkeys(job.directory for job in jobs):
        status = read_status(directory)
        if status is None:
            continue
        if status.state == "interrupted":
            done = f"{status.step} of {status.steps}"
            say(
                f"jepa_compare: {directory.name} was interrupted after {done} steps; the same"
                " command continues it",
                file=sys.stderr,
            )
        if status.exception is not None:
            # A process that never came so far as to have a log has its output.
            logs = (directory / name for name in (LOG, CONSOLE))
            log = next((path for path in logs if path.exists()), "none")
            say(
                f"jepa_compare: {directory.name} failed: {status.exception.type}:"
                f" {status.exception.message} (log: {log})",
                file=sys.stderr,
            )


def name_the_difference(job: Job, jobs: Sequence[Job]) -> None:
    """Say what sets a new run apart from one of the same loss and seed in a named sweep."""
    if (job.directory / CONFIG).exists():
        return
    mine = {other.directory.name for other in jobs}
    prefix = job.directory.name.rsplit("_", 1)[0]
    for other in sorted(job.directory.parent.glob(f"{prefix}_????????")):
        # A damaged one is that run's affair, and a link is nobody's.
        stored = None if other.is_symlink() else read_config(other)
        if other.name not in mine and stored:
            changed = differing_keys(stored.config, job.identity.config)
            message = f"{job.directory.name} is another run than {other.name}: {'; '.join(changed)}"
            say(f"jepa_compare: {message}", file=sys.stderr)
