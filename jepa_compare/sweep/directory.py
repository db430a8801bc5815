"""A sweep's directory: one owner, every job announced in it, the comparison at its end."""

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jepa_compare.checks import ConfigError
from jepa_compare.runs.codec import encode
from jepa_compare.runs.layout import COMPARISON, CONFIG, CONSOLE, FLOORS, LOG, STATUS, STUDY, SWEEP
from jepa_compare.runs.lock import DirectoryLock
from jepa_compare.runs.records import SCHEMA_VERSION, SweepFile
from jepa_compare.runs.writer import (
    differing_keys,
    is_complete,
    read_config,
    read_status,
)
from jepa_compare.sweep import processes
from jepa_compare.sweep.job import Job
from jepa_compare.sweep.plan import CommandLine
from jepa_compare.sweep.run_status import write_queued
from jepa_compare.sweep.tuning.stages import require_same_use, settled
from jepa_compare.system import files
from jepa_compare.system.interrupts import Interrupted, Interrupts
from jepa_compare.system.streams import lost_output
from jepa_compare.system.terminal import say


@contextmanager
def sweep(command: CommandLine) -> Iterator[None]:
    """Own the sweep's directory, announce its jobs, and compare them however it ends.

    Exit status 1 unless every job is then complete and the comparison is written.
    """
    with announced(command):
        finished = False
        try:
            yield
        finally:
            finished = finish(command)
        if not finished:
            raise SystemExit(1)


@contextmanager
def announced(command: CommandLine) -> Iterator[None]:
    """Own the sweep's directory, with every job queued in it, and sweep.json."""
    jobs = command.jobs
    directory = jobs[0].directory.parent
    with DirectoryLock(directory) as lock:
        if lock.taken_over:
            say(f"jepa_compare: taking over from {lock.taken_over}", file=sys.stderr)
        (directory / FLOORS).mkdir(exist_ok=True)
        if command.study is not None:
            for job in jobs:
                require_same_use(job)
            files.write_json(directory / STUDY, encode(command.study.study))
        announce_all(command, jobs)
        yield


def announce_all(command: CommandLine, jobs: Sequence[Job]) -> None:
    """Queue `jobs` of a command, and write sweep.json, which names all of its runs."""
    runs: dict[Path, Job] = {}
    for job in jobs:  # the first of one directory is the run, the others evaluate it again
        runs.setdefault(job.directory, job)
    for job in runs.values():
        files.below(job.directory.parent, job.directory.name)
        if command.study is None:
            name_the_difference(job, jobs)
        elif settled(job):  # of a diverged run too the files are final
            continue
        announce(job)
    directory = command.jobs[0].directory.parent
    names = dict.fromkeys(os.path.relpath(job.directory, directory) for job in command.jobs)
    swept = SweepFile(
        schema_version=SCHEMA_VERSION,
        command=sys.argv,
        overrides=command.overrides,
        runs=list(names),
    )
    files.write_json(directory / SWEEP, encode(swept))


def run_stages(command: CommandLine, launch: Callable[[Sequence[Job]], None]) -> None:
    """Have a study's jobs run, and plan the next stage whenever one is complete."""
    assert command.study is not None
    directory = command.jobs[0].directory.parent
    while todo := [job for job in command.jobs if not settled(job)]:
        launch(todo)
        if not all(settled(job) for job in todo):
            return  # `finish` says which
        known = {job.directory for job in command.jobs}
        planned = command.study.jobs(command.study.following(directory))
        new = [job for job in planned if job.directory not in known]
        for job in new:
            require_same_use(job)
        command.jobs.extend(new)
        announce_all(command, new)


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


def finish(command: CommandLine) -> bool:
    """Write and print the comparison of a sweep, then say what is not complete, why, and what to
    type; returns whether nothing is missing."""
    from jepa_compare.report import write_comparison

    directory = command.jobs[0].directory.parent
    again = f"jepa-compare report {shlex.quote(str(directory))}"
    compared, interrupted = False, None
    say(f"jepa_compare: comparing the runs in {os.path.relpath(directory)}", file=sys.stderr)
    try:
        # A signal that a library swallows is raised at the end.
        with Interrupts() as interrupts, interrupts.at_once():
            print(write_comparison([directory], out=directory / COMPARISON), flush=True)
        compared = True
        if lost := lost_output():
            say(f"jepa_compare: {lost}; it is in {directory / COMPARISON}", file=sys.stderr)
    except Interrupted as error:
        interrupted = error
    except Exception as error:  # the runs are safe on disk; their comparison can be made again
        say(f"jepa_compare: no comparison ({type(error).__name__}: {error})", file=sys.stderr)
    incomplete = _incomplete(command)
    for path in incomplete:
        say(f"jepa_compare: {path.name} failed: {_reason(path)}", file=sys.stderr)
    if incomplete:
        named = [override for override in command.overrides if override.startswith("sweep=")]
        line = f"the same command with {named[-1]}" if named else "the same command"
        say(
            f"jepa_compare: not complete: {len(incomplete)}; {line} continues",
            file=sys.stderr,
        )
    elif not compared:
        say(f"jepa_compare: all runs are complete; for their comparison: {again}", file=sys.stderr)
    if interrupted is not None:
        raise SystemExit(128 + interrupted.signum)
    return compared and not incomplete


def _incomplete(command: CommandLine) -> list[Path]:
    """Directories of the jobs that something is left to do of; of a sweeper that made its jobs as
    it went, of those that were begun."""
    if command.study is not None:
        return [job.directory for job in command.jobs if not settled(job)]
    if command.all_known:
        jobs = command.jobs
        return list(dict.fromkeys(j.directory for j in jobs if processes.command(j) is not None))
    directories = sorted(
        path.parent for path in command.jobs[0].directory.parent.glob(f"*/{STATUS}")
    )
    states = {path: status.state for path in directories if (status := read_status(path))}
    return [path for path, state in states.items() if state not in ("queued", "completed")]


def _reason(directory: Path) -> str:
    """Why the run in a directory, or an evaluation that a job wants of it, is not complete."""
    status = read_status(directory)
    if status is None:
        return f"no readable {STATUS}"
    if status.exception is not None:
        # A process that never came so far as to have a log has its output.
        logs = (directory / name for name in (LOG, CONSOLE))
        log = next((path for path in logs if path.exists()), "none")
        return f"{status.exception.type}: {status.exception.message} (log: {log})"
    done = f"{status.step} of {status.steps} steps"
    return {
        "queued": "it has not started",
        "running": f"it says that it is running, after {done}, in process {status.pid}",
        "interrupted": f"it was interrupted after {done}",
    }.get(status.state, "its summary, or an evaluation that was asked for, is missing")


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
