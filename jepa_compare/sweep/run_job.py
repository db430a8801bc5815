"""Start or continue one run in this process; `--run DIR` needs nothing but DIR/config.json."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from jepa_compare.checks import ConfigError, exit_with_error
from jepa_compare.evaluation.stored import evaluation_path
from jepa_compare.export import NoSuchRun
from jepa_compare.runs.layout import LOG
from jepa_compare.runs.lock import Locked
from jepa_compare.runs.writer import OtherRun, is_complete
from jepa_compare.sweep import preflight
from jepa_compare.sweep.job import Job, stored_job
from jepa_compare.sweep.launched import launched
from jepa_compare.system.files import Refused
from jepa_compare.system.interrupts import Interrupted
from jepa_compare.system.memory import is_exhausted
from jepa_compare.system.terminal import Formatter, LogFile, escape_tracebacks
from jepa_compare.training import ForeignCheckpoint, run

log = logging.getLogger(__name__)
NOT_STARTED = (ConfigError, ForeignCheckpoint, Locked, NoSuchRun, OtherRun, Refused)
"""What a user can put right before a run begins: said in one line."""


class OutOfMemory(RuntimeError):
    """A run that does not fit; the message is one line with what to change."""


class JobExited(RuntimeError):
    """Code of a job, as a loss, called sys.exit(): that job failed, and the others go on."""


def start(job: Job) -> None:
    """Run a job, continue it, or say that it is complete: then only an evaluation that it asks for
    and does not have is made. Raises JobExited where its code wants to leave the process,
    OutOfMemory where it does not fit."""
    try:
        _start(job)
    except SystemExit as error:
        raise JobExited(f"its code called sys.exit({error.code!r})") from error
    except (MemoryError, RuntimeError) as error:
        if not is_exhausted(error):
            raise
        raise OutOfMemory(_too_large(job, error)) from error


def _too_large(job: Job, error: BaseException) -> str:
    """What ran out, and the settings that it grows with, as the job has them."""
    said = str(error).partition("\n")[0].partition(". GPU ")[0]
    training, evaluation = job.config.training, job.config.evaluation
    return (
        f"{job.identity.run_name} does not fit in memory ({type(error).__name__}: {said[:160]});"
        f" make smaller: training.batch_size={training.batch_size},"
        f" training.rollout_steps={training.rollout_steps}, model.dim={job.config.model.dim},"
        f" evaluation.trajectories={evaluation.trajectories},"
        f" evaluation.planning.tasks={evaluation.planning.tasks}; or run fewer jobs at once"
    )


def _start(job: Job) -> None:
    if not is_complete(job.directory, job.identity.hash):
        run(job.config, job.identity, job.directory)
        return
    log.info("%s is complete: skipped", job.identity.run_name)
    if not evaluation_path(job.directory, job.config.evaluation).exists():
        from jepa_compare.sweep.commands.evaluate import evaluate_run

        path = evaluate_run(job.directory, job.config.evaluation, job.config.device, job.config)
        log.info("evaluated again, beside the first evaluation: %s", path)


def log_to_console(file: Path | None = None) -> None:
    """Logging as Hydra sets it up for its own jobs: to stdout, and to `file`."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    if file is not None:
        handlers.append(LogFile(file))
    layout = "[%(asctime)s][%(name)s][%(levelname)s] - %(message)s"
    for handler in handlers:
        handler.setFormatter(Formatter(layout))
    logging.basicConfig(level=logging.INFO, handlers=handlers)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `python -m jepa_compare.train --run DIR`."""
    escape_tracebacks()
    parser = argparse.ArgumentParser(prog="jepa_compare.train", description=__doc__)
    parser.add_argument("--run", type=Path, metavar="DIR", required=True)
    parser.add_argument("--trust", action="store_true", help="import the code that it names")
    args = parser.parse_args(arguments)
    with launched():
        _main(args.run, trust=args.trust)


def _main(directory: Path, *, trust: bool) -> None:
    try:
        job = stored_job(directory, trust=trust)
        if not is_complete(directory, job.identity.hash):
            preflight.check([job])
        log_to_console(directory / LOG)
        start(job)
    except (*NOT_STARTED, OutOfMemory, OSError) as error:
        exit_with_error(str(error))
    except Interrupted as error:
        print(f"jepa_compare: {error}; the same command continues", file=sys.stderr)
        raise SystemExit(128 + error.signum) from None
