"""The processes of `hydra/launcher=process`: each watched, each ended in time, none left behind."""

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from jepa_compare.runs.layout import CONSOLE
from jepa_compare.runs.records import StatusFile
from jepa_compare.runs.writer import EXIT_SECONDS, read_status
from jepa_compare.sweep.launched import WATCH
from jepa_compare.sweep.run_status import record_death
from jepa_compare.system import files
from jepa_compare.system.interrupts import Interrupts

log = logging.getLogger(__name__)
POLL_SECONDS = 0.1


@dataclass(kw_only=True)
class Launched:
    """One process of the pool."""

    index: int
    label: str
    directory: Path
    command: Callable[[], list[str] | None]
    """What to run, asked when it is its turn; None: nothing is left to do."""
    stall_timeout: float | None = None
    """`training.stall_timeout`, which the process sees to itself while it can."""
    process: subprocess.Popen[bytes] | None = None
    slot: str | None = None
    started: float = 0.0
    """On the launcher's monotonic clock; `heard`: when the process's heartbeat last moved."""
    heartbeat: float | None = None
    heard: float = 0.0
    ended: str | None = None
    """Why the launcher has told it to leave, which it must have done by `deadline`."""
    deadline: float = 0.0

    def overdue(self, status: StatusFile | None, job_timeout: float | None) -> str | None:
        """Why its process is to be ended now, where it is."""
        assert self.process is not None
        now = time.monotonic()
        if job_timeout is not None and now - self.started > job_timeout:
            return f"was ended after hydra.launcher.job_timeout={job_timeout:g} s"
        mine = status is not None and status.pid == self.process.pid and status.state == "running"
        if status is None or not mine or self.stall_timeout is None:
            return None
        if status.heartbeat != self.heartbeat:
            self.heartbeat, self.heard = status.heartbeat, now
        # Where its own watch can act it has done so: what holds Python's lock stops that too.
        if status.without_progress + now - self.heard > self.stall_timeout + EXIT_SECONDS:
            return f"was ended: no progress for training.stall_timeout={self.stall_timeout:g} s"
        return None


@dataclass
class Pool:
    """Runs processes, as many as there are slots, and leaves none behind."""

    jobs: list[Launched]
    slots: list[str | None]
    job_timeout: float | None = None
    failed: dict[int, str] = field(default_factory=dict)
    """How the processes ended that failed, by the index of their job."""

    def run(self) -> dict[int, str]:
        """Run all jobs; returns `failed`."""
        waiting, free, running = list(self.jobs), list(self.slots), list[Launched]()
        console = Console(stderr=True)
        display = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        with Interrupts() as interrupts, display:
            total = display.add_task("jobs", total=len(self.jobs))
            bars = {}
            try:
                while running or waiting:
                    # Read here, not raised anywhere: no process may be started and not noted.
                    interrupts.raise_if_requested()
                    while free and (job := next_job(waiting, running)):
                        waiting.remove(job)
                        line = job.command()
                        if line is None:
                            log.info("#%d is complete: skipped: %s", job.index, job.directory.name)
                            display.advance(total)
                            continue
                        self.start(job, line, free.pop())
                        running.append(job)
                        bars[job.index] = display.add_task(job.directory.name, total=None)
                    for job in list(running):
                        status = read_status(job.directory)
                        display.update(
                            bars[job.index],
                            completed=status.step if status else 0,
                            total=status.steps if status else None,
                        )
                        assert job.process is not None
                        if job.process.poll() is None:
                            self._watch(job, status)
                        else:
                            running.remove(job)
                            free.append(job.slot)
                            self._note_end(job)
                            display.remove_task(bars.pop(job.index))
                            display.advance(total)
                    time.sleep(POLL_SECONDS)
            finally:
                self.stop(running)
        return self.failed

    def start(self, job: Launched, line: Sequence[str], slot: str | None) -> None:
        job.directory.mkdir(parents=True, exist_ok=True)
        environment = dict(os.environ) | {WATCH: "1"}
        if slot is not None:
            environment["CUDA_VISIBLE_DEVICES"] = slot
        job.slot = slot
        with files.open_to_append(job.directory / CONSOLE) as console:
            job.process = subprocess.Popen(
                line,
                stdin=subprocess.PIPE,  # never written to: its closing says that we are gone
                stdout=console,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches the launcher, which passes it on once
            )
        job.started, job.ended = time.monotonic(), None
        log.info("#%d: %s", job.index, job.label)

    def _watch(self, job: Launched, status: StatusFile | None) -> None:
        """End a process that takes too long: it is asked to leave, then killed."""
        assert job.process is not None
        if job.ended is None:
            job.ended = job.overdue(status, self.job_timeout)
            if job.ended is not None:
                job.process.terminate()
                job.deadline = time.monotonic() + EXIT_SECONDS
        elif time.monotonic() > job.deadline:
            _kill_group(job.process.pid)

    def _note_end(self, job: Launched) -> None:
        assert job.process is not None
        if job.process.stdin is not None:
            job.process.stdin.close()
        code = job.process.returncode
        if job.command() is None:  # a process may end well too early, and badly after its work
            log.info("#%d completed: %s", job.index, job.directory.name)
            return
        _kill_group(job.process.pid)  # what it had started itself
        early = " before the run was complete" if code == 0 else ""
        how = job.ended or f"{_ending(code)}{early}"
        how += f"; its output is in {job.directory / CONSOLE}"
        log.warning("#%d failed: %s %s", job.index, job.directory.name, how)
        _record_death(job, how)
        self.failed[job.index] = how

    def stop(self, running: list[Launched]) -> None:
        """Ask what still runs to leave, then make it."""
        processes = [(job, job.process) for job in running if job.process is not None]
        for _, process in processes:
            process.terminate()
        deadline = time.monotonic() + EXIT_SECONDS
        for job, process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            _kill_group(process.pid)  # itself, if it is still there, and what it had started
            if process.stdin is not None:
                process.stdin.close()
            # One that had not yet begun, and did what it was told, remains queued.
            if process.wait() not in (0, -signal.SIGTERM):
                _record_death(job, f"{_ending(process.returncode)} as the launcher left")


def _ending(code: int) -> str:
    return (
        f"was killed by {signal.Signals(-code).name}"
        if code < 0
        else f"ended with exit status {code}"
    )


def _record_death(job: Launched, how: str) -> None:
    assert job.process is not None
    try:
        record_death(job.directory, how, job.process.pid, was_ended=job.ended is not None)
    except OSError as error:
        log.warning("#%d: its status cannot be written (%s)", job.index, error)


def next_job(waiting: Sequence[Launched], running: Sequence[Launched]) -> Launched | None:
    """The first job whose directory nobody writes into: values that do not change a run, as other
    evaluations of it, give several jobs one directory."""
    taken = {job.directory for job in running}
    return next((job for job in waiting if job.directory not in taken), None)


def _kill_group(leader: int) -> None:
    """Kill a process that leads a group, or what it has left of it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
