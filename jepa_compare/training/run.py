"""One run, from a config to a run directory: open it, continue or start it, retry, finish it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from jepa_compare.config.schema import Config
from jepa_compare.runs.layout import METRICS
from jepa_compare.runs.metrics_log import read_rows
from jepa_compare.runs.records import ConfigFile
from jepa_compare.runs.writer import RunWriter, differing_keys
from jepa_compare.system.interrupts import Interrupts
from jepa_compare.system.stall import Stalled, StallWatch, progressed
from jepa_compare.training import checkpoint
from jepa_compare.training.checkpoint import ForeignCheckpoint
from jepa_compare.training.finish import finish
from jepa_compare.training.finite import Diverged
from jepa_compare.training.loop import train
from jepa_compare.training.state import RunContext, TrainingState
from jepa_compare.training.tracking import Tracker, row_name

log = logging.getLogger(__name__)


def run(config: Config, identity: ConfigFile, directory: Path) -> None:
    """Train, evaluate and record one run in `directory`; continue it if it was cut."""
    with opened(config, identity, directory) as context:

        def last_words(error: Stalled) -> None:
            log.error("%s failed: %s; its process ends with it", identity.run_name, error)
            context.writer.give_up(error)

        for retries_left in reversed(range(config.training.retries + 1)):
            try:
                with StallWatch(config.training.stall_timeout, last_words):
                    state = TrainingState.build(config)
                    progressed()
                    attempt(state, context)
                break
            except Diverged:
                raise  # the same seed diverges again
            except Exception as error:
                if not retries_left:
                    raise
                log.warning(
                    "%s: %s; continuing from the last checkpoint", type(error).__name__, error
                )


@contextmanager
def opened(config: Config, identity: ConfigFile, directory: Path) -> Iterator[RunContext]:
    """Own the run's directory, listen to signals and track, until the block ends."""
    with (
        Interrupts() as interrupts,
        RunWriter(
            directory, identity, config.training.steps, on_wait=interrupts.raise_if_requested
        ) as writer,
        Tracker(
            config.tracking,
            directory=directory,
            sweep=config.sweep or directory.parent.name,
            run_name=identity.run_name,
            name=row_name(identity),
            plain_config=identity.config,
            interrupts=interrupts,
        ) as tracker,
    ):
        if writer.taken_over:
            log.warning("taking over from %s, which ended without a word", writer.taken_over)
        yield RunContext(identity=identity, writer=writer, tracker=tracker, interrupts=interrupts)


def attempt(state: TrainingState, context: RunContext) -> None:
    """Continue or start, train, and finish, also when the training diverges."""
    resume(state, context)
    try:
        train(state, context)
    except Diverged as error:
        finish(state, context, error)
        raise
    finish(state, context)


def resume(state: TrainingState, context: RunContext) -> None:
    """Restore the newest checkpoint, or leave the state where it is and start from nothing.

    Raises ForeignCheckpoint for one that is not of this run or does not fit it.
    """
    directory = context.writer.directory
    context.writer.begin(0)  # not where an attempt before this one, in this process, has failed
    if context.writer.fresh_start:
        checkpoint.remove(directory)
        context.writer.fresh_start = False  # a retry continues what this attempt leaves
    try:
        saved = checkpoint.load(
            directory, context.identity.hash, state.device, limit=state.checkpoint_limit()
        )
        if saved is not None and not context.writer.truncate_metrics(saved["metrics_bytes"]):
            log.warning("%s has lost rows: starting over", directory / METRICS)
            saved = None
        if saved is None:
            context.writer.truncate_metrics(0)
            return
        state.restore(saved)
        context.writer.begin(state.step)
        state.evaluator.recall(logged_rows(directory))
        log.info("continuing at step %d", state.step)
        for part in ("versions", "hardware", "git"):
            now = state.provenance[part]
            for change in differing_keys(saved["provenance"][part], now, f"{part}."):
                log.warning("the numbers may differ from an undisturbed run's: %s", change)
    except (ForeignCheckpoint, torch.OutOfMemoryError):
        raise
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        # As resumable as a foreign one: the next attempt must not start over and remove it.
        raise ForeignCheckpoint(
            f"{directory} cannot be continued ({type(error).__name__}:"
            f" {' '.join(str(error).split())}); remove its checkpoints to start over"
        ) from error


def logged_rows(directory: Path) -> list[dict[str, Any]]:
    """The rows that the run has logged so far. Raises ValueError for a damaged one."""
    rows: list[dict[str, Any]] = []
    for row in read_rows(directory):
        if row is None:
            raise ValueError(f"a row of {METRICS} is damaged")
        rows.append({"step": row.step, **row.values})
    return rows
