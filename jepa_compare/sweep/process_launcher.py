"""`hydra/launcher=process`: one machine, a fresh process per job, n at a time, a GPU slot each.

A fresh process shares nothing with the job before it, and a job that is killed takes nothing with
it. Every job is this command line with one combination of its values, so that it can be run alone.
"""

import contextlib
import functools
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from jepa_compare.config.compose import identity_of, plain, typed
from jepa_compare.runs.layout import CONSOLE
from jepa_compare.runs.writer import EXIT_SECONDS, is_complete, read_status, record_death
from jepa_compare.system.interrupts import Interrupts

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
_PLUGIN = "hydra_plugins.jepa_compare"
WATCH = "JEPA_COMPARE_LAUNCHED"


class JobFailed(RuntimeError):
    """A job's process ended with another status than 0."""


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


def usable_cores() -> int:
    """Cores that this process may run on: a scheduler often allows fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass
class _Job:
    index: int
    overrides: list[str]
    directory: Path
    command: list[str]
    config: DictConfig
    is_done: Callable[[], bool] = lambda: False
    """Whether its run is there, with the evaluation that is asked for: no process is needed."""
    process: subprocess.Popen[bytes] | None = None
    slot: str | None = None


class ProcessLauncher(Launcher):
    """See the module's docstring. `n_jobs=None` fills the GPU slots, or the cores without a GPU."""

    config: DictConfig
    hydra_context: HydraContext

    def __init__(self, n_jobs: int | None, jobs_per_gpu: int) -> None:
        if n_jobs is not None and n_jobs < 1:
            raise ValueError(f"hydra.launcher.n_jobs={n_jobs}: must be at least 1, or null")
        if jobs_per_gpu < 1:
            raise ValueError(f"hydra.launcher.jobs_per_gpu={jobs_per_gpu}: must be at least 1")
        self.n_jobs = n_jobs
        self.jobs_per_gpu = jobs_per_gpu

    def setup(
        self,
        *,
        hydra_context: HydraContext,
        task_function: Callable[[Any], Any],
        config: DictConfig,
    ) -> None:
        """Hydra's hook: remember what a job is composed with."""
        self.hydra_context, self.config = hydra_context, config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Hydra's hook: run the jobs, return one result each, in order."""
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        jobs = [
            self._prepare(initial_job_idx + i, list(overrides))
            for i, overrides in enumerate(job_overrides)
        ]
        threads = max(int(job.config.training.num_threads) for job in jobs)
        cores = usable_cores()
        slots = gpu_slots(str(self.config.device), self.jobs_per_gpu)
        n_jobs = self.n_jobs or len(slots) or max(1, cores // threads)
        n_jobs = min(n_jobs, len(jobs))
        slots = [slots[i % len(slots)] if slots else None for i in range(n_jobs)]
        if n_jobs * threads > cores:
            log.warning(
                "%d jobs with training.num_threads=%d want %d threads, this process has %d cores",
                n_jobs,
                threads,
                n_jobs * threads,
                cores,
            )
        log.info("Launching %d jobs, %d at a time", len(jobs), n_jobs)
        return _Pool(jobs, slots).run()

    def _prepare(self, index: int, overrides: list[str]) -> _Job:
        config = self.hydra_context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = index
        directory = Path(config.hydra.sweep.dir) / str(config.hydra.sweep.subdir)
        passed_on = [
            override
            for override in OmegaConf.to_container(self.config.hydra.overrides.hydra) or []
            if not str(override)
            .lstrip("+~")
            .startswith(
                ("hydra/launcher", "hydra.launcher", "hydra/sweeper", "hydra.sweep", "hydra.mode")
            )
        ]
        arguments = [*overrides, *map(str, passed_on), f"hydra.run.dir='{directory}'"]
        for source in self.config.hydra.runtime.config_sources:
            if source.provider == "command-line":
                arguments = ["--config-dir", source.path, *arguments]
        command = [sys.executable, "-m", "jepa_compare.train", *arguments]
        is_done = functools.partial(_is_done, directory, config)
        return _Job(index, overrides, directory, command, config, is_done)


@dataclass
class _Pool:
    """Runs processes, as many as there are slots, and leaves none behind."""

    jobs: list[_Job]
    slots: list[str | None]
    finished: dict[int, JobReturn] = field(default_factory=dict)

    def run(self) -> list[JobReturn]:
        waiting, free, running = list(self.jobs), list(self.slots), list[_Job]()
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
                    while free and (job := _next(waiting, running)):
                        waiting.remove(job)
                        if job.is_done():
                            self.finished[job.index] = _completed(job)
                            log.info(
                                "\t#%d is complete: skipped: %s", job.index, job.directory.name
                            )
                            display.advance(total)
                            continue
                        self._start(job, free.pop())
                        running.append(job)
                        bars[job.index] = display.add_task(job.directory.name, total=None)
                    for job in list(running):
                        status = read_status(job.directory)
                        display.update(
                            bars[job.index],
                            completed=status.get("step", 0),
                            total=status.get("steps"),
                        )
                        assert job.process is not None
                        if job.process.poll() is not None:
                            running.remove(job)
                            free.append(job.slot)
                            self.finished[job.index] = self._result(job)
                            display.remove_task(bars.pop(job.index))
                            display.advance(total)
                    time.sleep(POLL_SECONDS)
            finally:
                self._stop(running)
        return [self.finished[job.index] for job in self.jobs]

    def _start(self, job: _Job, slot: str | None) -> None:
        job.directory.mkdir(parents=True, exist_ok=True)
        environment = dict(os.environ) | {WATCH: "1"}
        if slot is not None:
            environment["CUDA_VISIBLE_DEVICES"] = slot
        job.slot = slot
        with (job.directory / CONSOLE).open("ab") as console:
            job.process = subprocess.Popen(
                job.command,
                stdin=subprocess.PIPE,  # never written to: its closing says that we are gone
                stdout=console,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches the launcher, which passes it on once
            )
        log.info("\t#%d : %s", job.index, " ".join(filter_overrides(job.overrides)))

    def _result(self, job: _Job) -> JobReturn:
        assert job.process is not None
        if job.process.stdin is not None:
            job.process.stdin.close()
        code = job.process.returncode
        if code == 0:
            log.info("\t#%d completed: %s", job.index, job.directory.name)
            return _completed(job)
        _kill_group(job.process.pid)  # what it had started itself
        how = f"{_ending(code)}; its output is in {job.directory / CONSOLE}"
        log.warning("\t#%d failed: %s %s", job.index, job.directory.name, how)
        _record_death(job, how)
        result = _completed(job)
        result.status = JobStatus.FAILED
        result.return_value = JobFailed(f"{job.directory.name} {how}")
        return result

    def _stop(self, running: list[_Job]) -> None:
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


def _record_death(job: _Job, how: str) -> None:
    assert job.process is not None
    try:
        record_death(job.directory, how, job.process.pid)
    except OSError as error:
        log.warning("\t#%d: its status cannot be written (%s)", job.index, error)


def _next(waiting: Sequence[_Job], running: Sequence[_Job]) -> _Job | None:
    """The first job whose directory nobody writes into: values that do not change a run, as other
    evaluations of it, give several jobs one directory."""
    taken = {job.directory for job in running}
    return next((job for job in waiting if job.directory not in taken), None)


def _is_done(directory: Path, config: DictConfig) -> bool:
    from jepa_compare.evaluation.stored import evaluation_path

    if not is_complete(directory, identity_of(config)):
        return False
    return evaluation_path(directory, typed(plain(config)).evaluation).exists()


def _completed(job: _Job) -> JobReturn:
    result = JobReturn(overrides=job.overrides, cfg=job.config, hydra_cfg=job.config)
    result.task_name, result.status, result.return_value = "train", JobStatus.COMPLETED, None
    return result


def _kill_group(leader: int) -> None:
    """Kill a process that leads a group, or what it has left of it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def register() -> None:
    """Make the launcher known to Hydra, which imports plugins from this namespace alone."""
    plugins = Plugins.instance()  # imports the namespace, if any other plugin is installed
    if "hydra_plugins" not in sys.modules:
        sys.modules["hydra_plugins"] = types.ModuleType("hydra_plugins")
        sys.modules["hydra_plugins"].__path__ = []
    sys.modules[_PLUGIN] = sys.modules[__name__]
    ProcessLauncher.__module__ = _PLUGIN
    plugins.register(ProcessLauncher)
