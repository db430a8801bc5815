"""The end of a run: what was trained is evaluated and exported, and the summary written."""

import logging
import os

from jepa_compare.evaluation.evaluator import Evaluation
from jepa_compare.evaluation.health_status import run_notes, run_status
from jepa_compare.evaluation.pictures.draw import draw_figures
from jepa_compare.evaluation.stored import (
    Floors,
    evaluation_hash,
    floors_directory,
    floors_of,
    store_evaluation,
)
from jepa_compare.export import export
from jepa_compare.runs.layout import FIGURES
from jepa_compare.runs.metrics_log import read_rows
from jepa_compare.runs.records import (
    SCHEMA_VERSION,
    Commit,
    Divergence,
    Hardware,
    Seconds,
    SummaryFile,
)
from jepa_compare.training.cost import aux_seconds_per_step, aux_to_prediction_gradient
from jepa_compare.training.finite import Diverged
from jepa_compare.training.state import RunContext, TrainingState

log = logging.getLogger(__name__)
SHOWN = ("eval/success_detour", "eval/success_door", "eval/probe_rmse", "eval/spread")


def finish(state: TrainingState, context: RunContext, diverged: Diverged | None = None) -> None:
    """Evaluate what was trained, export it, and write the summary, which ends the run.

    Of a run that diverged, the floors alone are evaluated and nothing is exported.
    """
    directory, started = context.writer.directory, context.clock()
    with context.interrupts.at_once():  # nothing here changes what a resumed run needs
        log.info("%s: trained; floors and evaluation", context.identity.run_name)
        aux_seconds = aux_seconds_per_step(state)
        floors = floors_of(
            state.config, state.evaluator.source, state.evaluator, floors_directory(directory)
        )
        evaluation = None if diverged else evaluate(state, context, floors)
    rows = (row.values for row in read_rows(directory) if row is not None)
    summary = summary_of(
        state,
        floors,
        evaluation,
        diverged=diverged,
        seconds=context.clock() - started,
        aux_seconds=aux_seconds,
        aux_gradient=aux_to_prediction_gradient(rows),
    )
    context.writer.write_summary(summary)
    context.tracker.summarise({"status": summary.status, **summary.metrics})
    scores = {key: summary.metrics.get(key) for key in SHOWN}
    shown = [f"{k[5:]} {v:.3g}" for k, v in scores.items() if v is not None]
    log.info("%s: %s", context.identity.run_name, ", ".join([summary.status, *shown]))
    log.info("the run is in %s", os.path.relpath(directory))


def evaluate(state: TrainingState, context: RunContext, floors: Floors) -> Evaluation:
    """Export the model, evaluate and picture it, and record the last row of metrics."""
    directory, settings = context.writer.directory, state.config.evaluation
    model = state.objective.model
    export(directory, model)
    evaluation = state.evaluator.evaluate(model)
    store_evaluation(directory, evaluation, floors, settings, state.step)
    if settings.figures.enabled:
        log.info("%s: evaluated; figures", context.identity.run_name)
        draw_figures(state.evaluator, model, evaluation, directory / FIGURES)
    row = {"step": state.step, **evaluation.metrics}
    context.writer.append_metrics(row)
    context.tracker.log(row, state.step)
    return evaluation


def summary_of(
    state: TrainingState,
    floors: Floors,
    evaluation: Evaluation | None,
    *,
    diverged: Diverged | None,
    seconds: float,
    aux_seconds: float | None,
    aux_gradient: float | None,
) -> SummaryFile:
    """The content of summary.json; `seconds` are those of the final evaluation, the last two as
    `training.cost` measures them."""
    settings, surroundings = state.config.training, state.provenance
    metrics = {} if evaluation is None else evaluation.metrics
    frames = state.step * settings.batch_size * settings.frames
    status = run_status(metrics, floors.untrained) if evaluation else "diverged"
    return SummaryFile(
        schema_version=SCHEMA_VERSION,
        status=status,
        notes=run_notes(status, metrics, state.evaluator.label_dim),
        diverged=Divergence(step=diverged.step, term=diverged.term) if diverged else None,
        collapsed_at=state.collapsed_at,
        alarms=state.alarms,
        metrics=metrics,
        evaluation=evaluation_hash(state.config.evaluation) if evaluation else None,
        untrained=floors.untrained,
        floors=floors.keys,
        steps=state.step,
        parameters=state.parameters(),
        clipped_steps_share=state.clipped_steps.item() / state.step if state.step else None,
        aux_to_prediction_gradient=aux_gradient,
        aux_seconds_per_step=aux_seconds,
        compile=state.compile_mode,
        seconds=Seconds(
            train=state.seconds,
            interim_evaluations=state.interim_seconds,
            evaluation=seconds,
            total=state.seconds + state.interim_seconds + seconds,
        ),
        samples_per_second=frames / state.seconds if state.seconds else None,
        peak_memory_bytes=state.peak_memory.bytes(),
        versions=surroundings["versions"],
        hardware=Hardware(**surroundings["hardware"]),
        git=Commit(**surroundings["git"]) if surroundings["git"] else None,
        flags=surroundings["flags"],
        environment=surroundings["environment"],
        command=surroundings["command"],
    )
