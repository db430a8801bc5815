"""The training loop: when a run steps, evaluates, records, saves and stops."""

import logging
from collections.abc import Callable
from typing import Any

import torch

from jepa_compare.metrics import SPREAD
from jepa_compare.models.jepa import JEPA
from jepa_compare.runs.records import Alarm
from jepa_compare.system.interrupts import Interrupted
from jepa_compare.system.stall import progressed
from jepa_compare.training import checkpoint
from jepa_compare.training.progress import RunProgress
from jepa_compare.training.schedule import learning_rate
from jepa_compare.training.state import RunContext, TrainingState
from jepa_compare.training.step import training_step

log = logging.getLogger(__name__)


def train(state: TrainingState, context: RunContext) -> None:
    """Train from `state.step` to the last step, or to a collapse that is to end the run.

    A checkpoint of where it ends is on disk afterwards. Raises Diverged at the first value that is
    not finite, Interrupted after a signal, when the steps so far are saved.
    """
    settings, evaluation = state.config.training, state.config.evaluation
    interrupts, clock = context.interrupts, context.clock
    name = context.identity.run_name
    with interrupts.at_once():
        state.compile()
    counts = ", ".join(f"{part} {count:,}" for part, count in state.parameters().items())
    log.info("%s on %s; parameters: %s", name, state.device, counts)

    with interrupts.soon(), RunProgress(name, settings.steps, state.step) as progress:
        while state.step < settings.steps and not state.stopped_by_collapse:
            step, started, interim = state.step, clock(), state.interim_seconds
            row: dict[str, Any] = {"step": step}
            if step % evaluation.interval == 0:
                row |= interim_evaluation(state, context, state.evaluator.quick)
            elif step % evaluation.collapse_interval == 0:
                row |= interim_evaluation(state, context, state.evaluator.collapse)

            measure_gradients = step % settings.gradient_interval == 0
            terms = training_step(state, state.batch(step), measure_gradients=measure_gradients)
            state.step = context.writer.step = step + 1
            progressed()

            if step % settings.log_interval == 0 or len(row) > 1 or measure_gradients:
                row |= dict(zip(terms, torch.stack(list(terms.values())).tolist(), strict=True))
                row["train/lr"] = learning_rate(step, settings)
                record(state, context, row)
            progress.update(state.step, row if len(row) > 1 else None)
            state.seconds += clock() - started - (state.interim_seconds - interim)

            leaving = interrupts.requested is not None
            if state.step % settings.checkpoint_interval == 0 or leaving:
                save(state, context)
            if leaving:  # and not a signal of just now, which finds a step unsaved
                interrupts.raise_if_requested()
        if state.stopped_by_collapse:
            log.warning("stopping: training.on_collapse=stop")
        if state.saved_at != state.step:
            save(state, context)


def interim_evaluation(
    state: TrainingState, context: RunContext, evaluate: Callable[[JEPA], dict[str, float]]
) -> dict[str, float]:
    """Evaluate between two steps. A signal cuts it short, and the weights are kept."""
    if state.device.type == "cuda":
        torch.cuda.synchronize(state.device)  # what it still has to do is training
    started = context.clock()
    try:
        with context.interrupts.at_once():
            return evaluate(state.objective.model)
    except Interrupted:
        save(state, context)
        raise
    finally:
        state.interim_seconds += context.clock() - started


def record(state: TrainingState, context: RunContext, row: dict[str, Any]) -> None:
    """Record a row, stop if it is not finite, say what in it looks like a collapse."""
    step = row["step"]
    context.writer.append_metrics(row)
    context.tracker.log(row, step)
    state.finite.check()
    terms = {key[4:]: value for key, value in row.items() if key.startswith("aux/")}
    messages = state.objective.aux_loss.alarms(terms) if terms else []
    if messages and not state.alarmed:  # once per episode, not once per row
        state.alarms += [Alarm(step=step, message=message) for message in messages]
        log.warning("step %d: %s", step, "; ".join(messages))
    state.alarmed = bool(messages) if terms else state.alarmed
    collapse = state.evaluator.collapse_warning(row) if SPREAD in row else None
    if collapse is not None:
        state.alarms.append(Alarm(step=step, message=collapse))
        log.warning("%s", collapse)
        state.collapsed_at = step if state.collapsed_at is None else state.collapsed_at


def save(state: TrainingState, context: RunContext) -> None:
    """Write a checkpoint of a state that is known to be finite."""
    state.finite.check()
    content = state.to_checkpoint(
        run_hash=context.identity.hash, metrics_bytes=context.writer.sync_metrics()
    )
    checkpoint.save(context.writer.directory, content)
    state.saved_at = state.step
