"""The command line: compose and check every job, hand them to Hydra, compare what came out."""

import logging
import shutil
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from jepa_compare.checks import ConfigError
from jepa_compare.config.compose import (
    CONF_DIR,
    HYDRA_VERSION_BASE,
    Job,
    exit_with_error,
    identity_of,
    parse_command_line,
    plain,
    register,
    typed,
)
from jepa_compare.runs.layout import (
    CHECKPOINT,
    CHECKPOINT_PREVIOUS,
    COMPARISON,
    CONFIG,
    CONSOLE,
    FLOORS,
    LOG,
)
from jepa_compare.runs.lock import DirectoryLock, Locked
from jepa_compare.runs.writer import (
    OtherRun,
    differing_keys,
    is_complete,
    read_config,
    read_status,
    write_queued,
)
from jepa_compare.sweep import process_launcher as launcher
from jepa_compare.system.files import content_hash
from jepa_compare.system.interrupts import Interrupted

log = logging.getLogger(__name__)


def main() -> None:
    """Entry point of `python -m jepa_compare.train` and `jepa-train`."""
    register()
    launcher.register()
    launcher.exit_with_parent()
    args = get_args_parser().parse_args()
    if args.help or args.hydra_help or args.cfg or args.info or args.shell_completion:
        _hydra_main()
        return
    multirun = args.multirun or "hydra.mode=MULTIRUN" in args.overrides
    try:
        command = parse_command_line(args.overrides, multirun=multirun, config_dir=args.config_dir)
        check(command.jobs)
        # Hydra reads sys.argv: let it see the sweep's name, if it has just been given one.
        sys.argv += command.overrides[len(args.overrides) :]
        if not multirun:
            _name_the_difference(command.jobs[0], command.jobs)
        with sweep(command.jobs) if multirun else nullcontext():
            _hydra_main()
    except (ConfigError, Locked, OSError) as error:
        exit_with_error(str(error))
    except Interrupted as error:
        print(f"jepa_compare: {error}; the same command continues", file=sys.stderr)
        raise SystemExit(128 + error.signum) from None


def _hydra_main() -> None:
    hydra.main(str(CONF_DIR), config_name="config", version_base=HYDRA_VERSION_BASE)(task)()


def task(cfg: DictConfig) -> None:
    """One job, in whatever process the launcher runs it."""
    from jepa_compare.training import ForeignCheckpoint  # torch, only where there is a job

    try:
        _run(cfg)
    except (ConfigError, ForeignCheckpoint, Locked, OtherRun) as error:
        if HydraConfig.get().mode == RunMode.RUN:  # a sweep goes on, and lists it at its end
            exit_with_error(str(error))
        raise


def _run(cfg: DictConfig) -> None:
    with_hydra = OmegaConf.merge({"hydra": HydraConfig.get()}, cfg)
    assert isinstance(with_hydra, DictConfig)
    identity = identity_of(with_hydra)
    directory = Path(HydraConfig.get().runtime.output_dir)
    config = typed(plain(cfg))
    if is_complete(directory, identity):
        from jepa_compare.evaluation.stored import evaluation_path

        log.info("%s is complete: skipped", identity["run_name"])
        if not evaluation_path(directory, config.evaluation).exists():
            from jepa_compare.evaluate import evaluate_run

            path = evaluate_run(directory, config.evaluation, config.device)
            log.info("evaluated again, beside the first evaluation: %s", path)
        return
    from jepa_compare.training import run  # torch: only a process that trains pays for it

    try:
        run(config, identity, directory)
    except Exception as error:
        _let_go(error)
        raise


def _let_go(error: BaseException) -> None:
    """Free what a failed job held. Hydra keeps the exception, whose trace would keep the model and
    the GPU's memory, until the last job of the sweep."""
    chain: BaseException | None = error
    while chain is not None:
        traceback.clear_frames(chain.__traceback__)
        chain = chain.__cause__ or chain.__context__


def check(jobs: Sequence[Job]) -> None:
    """Raise a ConfigError for the first job that could not start, before any starts."""
    from jepa_compare import build

    checkpoint_bytes: dict[str, int] = {}
    needed: dict[Path, int] = {}  # by directory: several jobs may share one
    for job in jobs:
        parts = {k: v for k, v in job.identity["config"].items() if k not in ("seed", "sweep")}
        key = content_hash(parts)
        if key not in checkpoint_bytes:  # seeds do not change what can be built
            checkpoint_bytes[key] = build.check(job.config)
        if not is_complete(job.directory, job.identity):
            # Two are kept while a third is written.
            missing = 3 * checkpoint_bytes[key] - _size_of_checkpoints(job.directory)
            needed[job.directory] = max(0, missing)
    directory = jobs[0].directory
    parent = directory.resolve()
    while not parent.exists():
        parent = parent.parent
    free = shutil.disk_usage(parent).free
    if free < sum(needed.values()):
        raise ConfigError(
            f"{parent} has {free / 1e9:.3g} GB free, the checkpoints of {len(needed)} runs need"
            f" {sum(needed.values()) / 1e9:.3g} GB; free some, or set hydra.sweep.dir elsewhere"
        )
    try:
        probe = directory / ".hydra" / ".probe"
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"can be written")  # a directory of a read-only disk may well be there
        probe.unlink()
    except OSError as error:
        raise ConfigError(f"{directory} cannot be written ({error.strerror})") from error


def _size_of_checkpoints(directory: Path) -> int:
    paths = [directory / name for name in (CHECKPOINT, CHECKPOINT_PREVIOUS)]
    return sum(path.stat().st_size for path in paths if path.exists())


@contextmanager
def sweep(jobs: Sequence[Job]) -> Iterator[None]:
    """Own the sweep's directory, announce its jobs, and compare them however it ends."""
    directory = jobs[0].directory.parent
    with DirectoryLock(directory) as lock:
        if lock.taken_over:
            print(f"jepa_compare: taking over from {lock.taken_over}", file=sys.stderr)
        (directory / FLOORS).mkdir(exist_ok=True)
        for job in jobs:
            _name_the_difference(job, jobs)
            write_queued(job.directory, job.identity, job.config.training.steps)
        try:
            yield
        finally:
            finish(directory, jobs)


def finish(directory: Path, jobs: Sequence[Job]) -> None:
    """Write and print the comparison of a sweep, then list what failed and why."""
    from jepa_compare.report import write_comparison

    try:
        print(write_comparison([directory], out=directory / COMPARISON))
    except Exception as error:  # the runs are safe on disk; their comparison can be made again
        print(f"jepa_compare: no comparison ({type(error).__name__}: {error})", file=sys.stderr)
    for directory in dict.fromkeys(job.directory for job in jobs):
        status = read_status(directory)
        if status.get("state") == "interrupted":
            done = f"{status['step']} of {status['steps']}"
            print(
                f"jepa_compare: {directory.name} was interrupted after {done} steps; the same"
                " command continues it",
                file=sys.stderr,
            )
        if status.get("state") == "failed":
            exception = status["exception"]
            # A process that never came so far as to have a log has its output.
            logs = (directory / name for name in (LOG, CONSOLE))
            print(
                f"jepa_compare: {directory.name} failed: {exception['type']}:"
                f" {exception['message']} (log: {next((p for p in logs if p.exists()), 'none')})",
                file=sys.stderr,
            )


def _name_the_difference(job: Job, jobs: Sequence[Job]) -> None:
    """Say what sets a new run apart from one of the same loss and seed in a named sweep."""
    if (job.directory / CONFIG).exists():
        return
    mine = {other.directory.name for other in jobs}
    prefix = job.directory.name.rsplit("_", 1)[0]
    for other in sorted(job.directory.parent.glob(f"{prefix}_????????")):
        stored = read_config(other)  # a damaged one is that run's affair
        if other.name not in mine and stored:
            changed = differing_keys(stored["config"], job.identity["config"])
            message = f"{job.directory.name} is another run than {other.name}: {'; '.join(changed)}"
            print(f"jepa_compare: {message}", file=sys.stderr)
