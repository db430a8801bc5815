"""`hydra/launcher=process`: one machine, a fresh process per job, n at a time, a GPU slot each.

A fresh process shares nothing with the job before it, and a job that is killed takes nothing with
it. A process starts its run from the run's directory, whose config.json the sweep has written; one
job is thereby one command that can be given alone.
"""

import functools
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from jepa_compare.config.bounds import above, at_least
from jepa_compare.runs.writer import is_complete, read_config
from jepa_compare.sweep.job import Job
from jepa_compare.sweep.pool import Launched, Pool

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class ProcessSettings:
    """`hydra.launcher` of `hydra/launcher=process`."""

    n_jobs: int | None = at_least(1)
    """Jobs at once; None fills the GPU slots, or the cores without a GPU."""
    jobs_per_gpu: int = at_least(1)
    job_timeout: float | None = above(0)
    """Seconds after which a job that still runs is ended as failed; None: it may run on."""


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
            stall_timeout=job.config.training.stall_timeout,
        )
        for index, job in enumerate(jobs)
    ]
    at_once = [slots[i % len(slots)] if slots else None for i in range(n_jobs)]
    Pool(launched, at_once, settings.job_timeout).run()


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
