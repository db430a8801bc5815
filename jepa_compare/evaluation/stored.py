"""A model's evaluation beside its floors: what the end of a run and a later evaluation share."""

import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from jepa_compare.build import build_model
from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.config.schema import Config
from jepa_compare.data.base import Source
from jepa_compare.evaluation.evaluator import Evaluation, Evaluator
from jepa_compare.evaluation.floors import floor_key, reference_floors, stored_floor
from jepa_compare.runs import layout
from jepa_compare.runs.codec import encode
from jepa_compare.runs.evaluation_records import Description, EvaluationFile, FloorFile
from jepa_compare.runs.records import SCHEMA_VERSION
from jepa_compare.runs.writer import read_config
from jepa_compare.system import files

log = logging.getLogger(__name__)

UNTRAINED_TASKS = 20
"""Of each kind, the first ones: a floor near zero needs no narrow interval."""


@dataclass(frozen=True, kw_only=True)
class Floors:
    """The floors and ceilings of one run."""

    keys: dict[str, str]
    """Policy to the name of its file in floors/."""
    untrained: dict[str, float | None]
    """All metrics of the run's model before its first step."""


def floors_directory(run: Path) -> Path:
    """A sweep makes room for the floors that its runs share; a single run keeps its own.

    Raises Refused for a link.
    """
    shared = files.below(run.parent, layout.FLOORS)
    return shared if shared.is_dir() else files.below(run, layout.FLOORS)


def floors_of(config: Config, source: Source, evaluator: Evaluator, directory: Path) -> Floors:
    """Find the floors in `directory`, or compute and keep them."""
    settings, device = evaluator.settings, evaluator.device
    keys = reference_floors(source.task_suite, config.data, settings, directory, device)
    model_config = asdict(config.model) | {"num_threads": config.training.num_threads}
    key = floor_key("untrained", config.data, settings, model_config, config.seed)

    def evaluate_untrained() -> FloorFile:
        log.info("evaluating the untrained model of seed %d", config.seed)
        model = build_model(config, source).to(device)
        result = evaluator.with_tasks(UNTRAINED_TASKS).evaluate(model)
        return FloorFile(
            schema_version=SCHEMA_VERSION,
            policy="untrained",
            seed=config.seed,
            metrics=result.metrics,
            tasks=result.tasks,
        )

    untrained = stored_floor(directory, key, "untrained", config.seed, evaluate_untrained)
    return Floors(keys={**keys, "untrained": key}, untrained=untrained.metrics)


def evaluation_hash(settings: EvaluationSettings) -> str:
    """The name of an evaluation: its settings by content."""
    return files.content_hash(settings.identity())


def evaluation_path(run: Path, settings: EvaluationSettings) -> Path:
    """Where a run keeps the evaluation with these settings. Raises Refused for a link."""
    return files.below(run, layout.EVALUATIONS, f"{evaluation_hash(settings)}.json")


def store_evaluation(
    run: Path, evaluation: Evaluation, floors: Floors, settings: EvaluationSettings, step: int
) -> Path:
    """Keep an evaluation beside the others of its run; returns its file."""
    path = evaluation_path(run, settings)
    content = evaluation_file(evaluation, floors, settings, step)
    config = read_config(run)
    files.write_json(path, encode(replace(content, run=config.hash if config else "")))
    return path


def evaluation_file(
    evaluation: Evaluation, floors: Floors, settings: EvaluationSettings, step: int
) -> EvaluationFile:
    """The content of evaluations/<hash>.json after training step `step`."""
    described = evaluation.descriptions.items()
    return EvaluationFile(
        schema_version=SCHEMA_VERSION,
        settings=asdict(settings),
        step=step,
        metrics=evaluation.metrics,
        descriptions={key: Description(**metric.description()) for key, metric in described},
        tasks=evaluation.tasks,
        episodes=evaluation.episodes,
        spectrum=evaluation.spectrum,
        seconds=evaluation.seconds,
        floors=floors.keys,
        untrained=floors.untrained,
        primary_metric=evaluation.primary_metric,
    )
