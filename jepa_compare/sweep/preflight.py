"""What can be known to be wrong with a job before the first one starts: its parts, the disk."""

import contextlib
import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from jepa_compare.checks import ConfigError
from jepa_compare.config.schema import Config
from jepa_compare.runs.layout import CHECKPOINT, CHECKPOINT_PREVIOUS
from jepa_compare.runs.lock import refuse_links
from jepa_compare.runs.writer import is_complete
from jepa_compare.sweep.job import Job
from jepa_compare.system import files


def check(jobs: Sequence[Job], *, dry: bool = False) -> int:
    """Bytes that the checkpoints will take; `dry`: nothing is left on disk.

    Raises a ConfigError for the first job that could not start, before any starts.
    """
    refuse_torchrun()
    needed = bytes_needed(jobs)
    directory = jobs[0].directory
    parent = directory.resolve()
    while not parent.exists():
        parent = parent.parent
    check_space(parent, shutil.disk_usage(parent).free, list(needed.values()))
    try:
        probe = directory / ".probe"
        directory.mkdir(parents=True, exist_ok=True)
        # A directory of a read-only disk may well be there.
        files.write_bytes(probe, b"can be written")
        probe.unlink()
        for path in needed:
            refuse_links(path)
    except files.Refused as error:
        raise ConfigError(str(error)) from error
    except OSError as error:
        raise ConfigError(f"{directory} cannot be written ({error.strerror})") from error
    if dry:
        with contextlib.suppress(OSError):  # what is not empty was there before
            for made in (directory, *directory.parents):
                if made.resolve() == parent:
                    break
                made.rmdir()
    return sum(needed.values())


def refuse_torchrun() -> None:
    """Raise a ConfigError where this process is one of several that are to train one model."""
    size = os.environ.get("WORLD_SIZE", "")
    if size.isdigit() and int(size) > 1:
        raise ConfigError(
            f"WORLD_SIZE={size}: training in several processes (torchrun) is not supported, each"
            " would train the same run; start python -m jepa_compare.train alone, and several runs"
            " side by side with -m hydra/launcher=process"
        )


def check_space(place: Path, free: int, needed: Sequence[int]) -> None:
    """Raise a ConfigError unless `free` bytes hold what the runs need of them, one number each."""
    if free < sum(needed):
        raise ConfigError(
            f"{place} has {free / 1e9:.3g} GB free, the checkpoints of {len(needed)} runs need"
            f" {sum(needed) / 1e9:.3g} GB; free some, or set hydra.sweep.dir elsewhere"
        )


def check_memory(config: Config, frame: int, device: str, available: int) -> None:
    """Raise a ConfigError where the `available` bytes do not even hold the observations of a batch,
    of `frame` numbers each: the least of what a step needs."""
    training, evaluation = config.training, config.evaluation
    for key, count, frames in (
        ("training.batch_size", training.batch_size, training.frames),
        ("evaluation.trajectories", evaluation.trajectories, evaluation.frames),
    ):
        needed = 4 * count * frames * frame
        if needed > available:
            raise ConfigError(
                f"{key}={count}: {frames} frames of each alone are {needed / 1e9:.3g} GB, {device}"
                f" has {available / 1e9:.3g} GB of memory; make it smaller"
            )


def bytes_needed(jobs: Sequence[Job]) -> dict[Path, int]:
    """By directory, as several jobs may share one: what its checkpoints will take beside what they
    take now. Raises a ConfigError for a job whose parts cannot be built."""
    from jepa_compare import build  # torch
    from jepa_compare.evaluation import build_measures
    from jepa_compare.system import memory

    checkpoint_bytes: dict[str, int] = {}
    needed: dict[Path, int] = {}
    for job in jobs:
        parts = {k: v for k, v in job.identity.config.items() if k not in ("seed", "sweep")}
        key = files.content_hash(parts)
        if key not in checkpoint_bytes:  # seeds do not change what can be built
            checkpoint_bytes[key] = build.check(job.config)
            build_measures(job.config.evaluation)
            device = build.resolve_device(job.config.device)
            frame = math.prod(build.build_source(job.config).obs_shape)
            check_memory(job.config, frame, str(device), memory.total_bytes(device))
        if not is_complete(job.directory, job.identity.hash):
            # Two are kept while a third is written.
            missing = 3 * checkpoint_bytes[key] - _size_of_checkpoints(job.directory)
            needed[job.directory] = max(0, missing)
    return needed


def _size_of_checkpoints(directory: Path) -> int:
    paths = [directory / name for name in (CHECKPOINT, CHECKPOINT_PREVIOUS)]
    return sum(path.stat().st_size for path in paths if path.exists())
