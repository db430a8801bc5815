"""`hydra/launcher=process`: one machine, a fresh process per job, n at a time, a GPU slot each.

A fresh process shares nothing with the job before it, and a job that is killed takes nothing with
it. A process starts its run from the run's directory, whose config.json the sweep has written; one
job is thereby one command that can be given alone.
"""

import contextlib
import functools
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from jepa_compare.config.bounds import at_least
from jepa_compare.runs.layout import CONSOLE
from jepa_compare.runs.writer import (
    EXIT_SECONDS,
    is_complete,
    read_config,
    read_status,
    record_death,
)
from jepa_compare.sweep.job import Job
from jepa_compare.system import files
from jepa_compare.system.interrupts import Interrupts

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
WATCH = "JEPA_COMPARE_LAUNCHED"


@dataclass(kw_only=True)
class ProcessSettings:
    """`hydra.launcher` of `hydra/launcher=process`."""

    n_jobs: int | None = at_least(1)
    """Jobs at once; None fills the GPU slots, or the cores without a GPU."""
    jobs_per_gpu: int = at_least(1)


def exit_with_parent() -> None:
    """In a launched process: leave when the launcher dies, however it dies.

    The launcher holds the other end of this process's standard input; the kernel closes it.
    """
    if os.environ.pop(WATCH, None) is None:
        return

    def watch() -> None:
        while os.read(0, 1):
            continue
        # The launcher made this process a group's leader: what it has started itself leaves too.
        os.killpg(os.getpid(), signal.SIGTERM)
        time.sleep(EXIT_SECONDS)
        os.killpg(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def gpu_slots(device: str, jobs_per_gpu: int) -> list[str | None]:
    """A value of CUDA_VISIBLE_DEVICES for each job that may run at once; [] without a GPU.

    None leaves the variable as it is: `device=cuda:1` says itself which one it wants.
    """
    if device == "cpu":
        return []
    if device.startswith("cuda:"):
        return [None] * jobs_per_gpu
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        devices = [name.strip() for name in visible.split(",") if name.strip()]
    else:
        import torch

        devices = [str(index) for index in range(torch.cuda.device_count())]
    return [name for _ in range(jobs_per_gpu) for name in devices]


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def jobs_at_once(jobs: Sequence[Job], settings: ProcessSettings) -> int:
    """As many as were asked for; else one per GPU slot, or what the cores have threads for."""
    threads = max(job.config.training.num_threads for job in jobs)
    slots = gpu_slots(jobs[0].config.device, settings.jobs_per_gpu)
    cores = available_cores()
    return min(settings.n_jobs or len(slots) or max(1, cores // threads), len(jobs))


def launch(jobs: Sequence[Job], settings: ProcessSettings) -> None:
    """Give each job a process; each run's directory says afterwards how it ended."""
    cores = available_cores()
    threads = max(job.config.training.num_threads for job in jobs)
    slots = gpu_slots(jobs[0].config.device, settings.jobs_per_gpu)
    n_jobs = jobs_at_once(jobs, settings)
    if n_jobs * threads > cores:
        log.warning(
            "%d jobs with training.num_threads=%d want %d threads, this process has %d cores",
            n_jobs,
            threads,
            n_jobs * threads,
            cores,
        )
    log.info("Launching %d jobs, %d at a time", len(jobs), n_jobs)
    launched = [
        Launched(
            index=index,
            label=" ".join(job.identity.overrides),
            directory=job.directory,
            command=functools.partial(command, job),
        )
        for index, job in enumerate(jobs)
    ]
    Pool(launched, [slots[i % len(slots)] if slots else None for i in range(n_jobs)]).run()


def command(job: Job) -> list[str] | None:
    """What a process of this job runs now; None if nothing is left to do."""
    from jepa_compare.build import foreign_targets  # torch
    from jepa_compare.evaluation.stored import evaluation_path

    # Trusted is what the command composed, not what the directory may say instead.
    stored = read_config(job.directory)
    foreign = foreign_targets(stored.config if stored else {})
    trust = ["--trust"] if foreign and foreign <= foreign_targets(job.identity.config) else []
    python = [sys.executable, "-m"]
    if not is_complete(job.directory, job.identity.hash):
        return [*python, "jepa_compare.train", "--run", str(job.directory.absolute()), *trust]
    settings = job.config.evaluation
    if evaluation_path(job.directory, settings).exists():
        return None
    again = [*trust, "--device", job.config.device, "--settings", json.dumps(asdict(settings))]
    return [*python, "jepa_compare.evaluate", *again, str(job.directory.absolute())]


@dataclass(kw_only=True)
class Launched:
    """One process of the pool."""

    index: int
    label: str
    directory: Path
    command: Callable[[], list[str] | None]
    """What to run, asked when it is its turn; None: nothing is left to do."""
    process: subprocess.Popen[bytes] | None = None
    slot: str | None = None


@dataclass
class Pool:
    """Runs processes, as many as there are slots, and leaves none behind."""

    jobs: list[Launched]
    slots: list[str | None]
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
                        if job.process.poll() is not None:
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
        log.info("#%d: %s", job.index, job.label)

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
        how = f"{_ending(code)}{early}; its output is in {job.directory / CONSOLE}"
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
        record_death(job.directory, how, job.process.pid)
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
