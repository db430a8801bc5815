"""What a run achieved: its summary, the evaluation behind it, and the floors beside it.

Whether a file is whole, and of which types, its record says (`runs.reader`); here its values are
held against each other and against what can be measured. A file that fails is not used.
"""

import functools
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import NoneType

import numpy as np

from jepa_compare.comparison.loading.descriptions import read_descriptions
from jepa_compare.comparison.loading.verify import (
    Contradiction,
    Digests,
    verify_digest,
    verify_evaluation,
    verify_means,
    verify_ranges,
)
from jepa_compare.comparison.runs import Floor, Run, TaskRows, What
from jepa_compare.metrics import PREFIX, describe
from jepa_compare.runs import layout
from jepa_compare.runs.codec import encode
from jepa_compare.runs.digests import file_digest
from jepa_compare.runs.evaluation_records import Column, EvaluationFile, FloorFile
from jepa_compare.runs.reader import read_record
from jepa_compare.runs.records import SCHEMA_VERSION, SummaryFile
from jepa_compare.runs.untrusted import Damaged, flatten, named, quoted, shown

_FILE_STEM = re.compile(r"[A-Za-z0-9_-]{1,100}")
_MOST_EVALUATIONS = 1000  # of one run, that are listed
_MOST_ALARMS = 100
_OF_TRAINING = ("evaluation.interval", "evaluation.collapse_interval")
_SMALLEST_EFFECT = "evaluation.smallest_effect"
_STOPS_BY = (
    "evaluation.seed",
    "evaluation.probe_seed",
    "evaluation.frames",
    "evaluation.trajectories",
    "evaluation.collapse_trajectories",
)
_LARGEST = 1e100  # of a number: its cube is still finite
_COLUMNS = {
    "success": {bool, NoneType},
    "final_distance": {float, int, NoneType},
    "steps": {float, int, NoneType},
}

Note = Callable[[Path, What, str], None]
"""Called with (path, kind of `LeftOut`, reason) for each part that is not used."""
FindFloor = Callable[[Path, str, str, str | None], Floor | None]
"""Called with (run directory, policy, key, digest of the file or None where nothing vouches)."""


def with_summary(run: Run, summary: SummaryFile, floors: FindFloor) -> Run:
    """The run with what its summary says. Raises `Damaged` for a value that cannot be."""
    if summary.evaluation is not None:
        _require_stem(summary.evaluation, f"{layout.SUMMARY}: evaluation")
    surroundings = {
        "versions": summary.versions,
        "hardware": encode(summary.hardware),
        "git": encode(summary.git) if summary.git else {},
        "flags": summary.flags,
        "environment": summary.environment,
    }
    provenance = {
        f"{group}.{key}": str(value)
        for group, values in surroundings.items()
        for key, value in flatten(values, f"{layout.SUMMARY}: {group}").items()
    }
    provenance["command"] = shown(" ".join(shown(word) for word in summary.command))
    cost = {f"seconds.{key}": value for key, value in encode(summary.seconds).items()}
    cost |= {f"parameters.{named(key)}": float(n) for key, n in summary.parameters.items()}
    cost["samples_per_second"] = _number(summary.samples_per_second)
    cost["peak_memory_bytes"] = _number(summary.peak_memory_bytes)
    cost["clipped_steps_share"] = _number(summary.clipped_steps_share)
    cost["aux_to_prediction_gradient"] = _number(summary.aux_to_prediction_gradient)
    cost["aux_seconds_per_step"] = _number(summary.aux_seconds_per_step)
    for key, value in cost.items():
        if abs(value) > _LARGEST:
            raise Damaged(f"{layout.SUMMARY}: {key} is {value:g}, beyond any measurement")
    return replace(
        run,
        status=summary.status,
        notes=tuple(summary.notes),
        reason=_why(summary) or run.reason,
        metrics=_metrics(summary.metrics, layout.SUMMARY),
        untrained=_metrics(summary.untrained, layout.SUMMARY),
        evaluation=summary.evaluation,
        floors=_floors(run.path, summary.floors, layout.SUMMARY, floors, _digests(summary)),
        collapsed_at=summary.collapsed_at,
        alarms=tuple((a.step, shown(a.message)) for a in summary.alarms[:_MOST_ALARMS]),
        provenance=provenance,
        cost=cost,
        unverified=run.unverified or summary.schema_version < SCHEMA_VERSION,
    )


def _why(summary: SummaryFile) -> str:
    """Why the status is not healthy; empty if it is."""
    if summary.status == "healthy":
        return ""
    if summary.status == "no_better_than_untrained":
        return "the probe is no better than the untrained encoder's"
    if summary.status != "diverged":
        step = summary.collapsed_at
        return "collapsed" if step is None else f"collapsed at step {step}"
    where = summary.diverged
    return shown(f"{where.term} not finite at step {where.step}") if where else "not finite"


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


_describe = functools.lru_cache(maxsize=4096)(describe)  # it tries a dozen regular expressions


def _metrics(values: Mapping[str, float | None], file: str) -> dict[str, float]:
    """By printable key, NaN for null. Refuses what no evaluation can have measured: it would
    swallow the other runs' numbers."""
    numbers: dict[str, float] = {}
    for key, given in values.items():
        value = _number(given)
        if not key.startswith(PREFIX) or key == PREFIX:
            raise Damaged(f"{file}: {quoted(key)} is not the key of a metric")
        if math.isfinite(value) and abs(value) > _LARGEST:
            raise Damaged(f"{file}: {shown(key)} is {value:g}, beyond any measurement")
        if not _describe(key).allows(value):
            raise Contradiction(f"{file}: {shown(key)} cannot be {value:g}")
        numbers[named(key)] = value
    return numbers


def _digests(summary: SummaryFile) -> Digests:
    return summary.digests if summary.schema_version >= SCHEMA_VERSION else None


def _floors(
    path: Path, keys: Mapping[str, str], file: str, floors: FindFloor, digests: Digests
) -> dict[str, Floor]:
    for policy, key in keys.items():
        _require_stem(policy, f"{file}: floors")
        _require_stem(key, f"{file}: floors.{policy}")
    present = {
        policy: floors(path, policy, key, _expected(digests, key)) for policy, key in keys.items()
    }
    return {policy: floor for policy, floor in present.items() if floor is not None}


def _expected(digests: Digests, key: str) -> str | None:
    return None if digests is None else digests.get(f"{layout.FLOORS}/{key}.json", "")


def _require_stem(value: str, name: str) -> None:
    if not is_evaluation_name(value):
        raise Damaged(f"{name}: {quoted(value)} cannot be the name of a file")


def is_evaluation_name(name: str) -> bool:
    """Whether `name` could be that of a file in evaluations/, without its ".json"."""
    return _FILE_STEM.fullmatch(name) is not None


def read_evaluation(path: Path, name: str) -> EvaluationFile:
    """evaluations/<name>.json of the run in `path`; raises `Damaged`, also if there is none."""
    parts = (layout.EVALUATIONS, f"{name}.json")
    evaluation = read_record(EvaluationFile, path, *parts)
    if evaluation is None:
        raise Damaged(f"{'/'.join(parts)} is missing")
    for episode in (e for episodes in evaluation.episodes.values() for e in episodes):
        points = {len(point) for point in (episode.goal, *episode.path)}
        if points != {2} or {len(wall) for wall in episode.walls} - {4}:
            raise Damaged(f"{'/'.join(parts)}: an episode with a point or a wall of another shape")
    return evaluation


def with_evaluation(run: Run, evaluation: EvaluationFile) -> Run:
    """The run with the per-task rows behind its metrics, and with the settings by which it was
    evaluated. Raises `Damaged` if they contradict each other."""
    name = f"{layout.EVALUATIONS}/{run.evaluation}.json"
    _metrics(evaluation.metrics, name)
    verify_evaluation(run, evaluation, name)
    tasks = _tasks(evaluation.tasks, name)
    descriptions = read_descriptions(evaluation.descriptions, name)
    settings = flatten(evaluation.settings, f"{name}: settings")
    config = dict(run.config)
    if settings:
        config = {k: v for k, v in run.config.items() if not k.startswith("evaluation.")}
        config |= {f"evaluation.{key}": value for key, value in settings.items()}
        # When was evaluated while training is the run's, whatever a later evaluation was composed
        # with; and on what, if that could stop it. (Of one later evaluation all runs have the same
        # settings.)
        stops = run.config.get("training.on_collapse") == "stop"
        kept = _OF_TRAINING + _STOPS_BY * stops
        config |= {key: run.config[key] for key in kept if key in run.config}
        if "smallest_effect" not in evaluation.settings:  # of the comparison, not of a measurement
            effects = {k: v for k, v in run.config.items() if k.startswith(_SMALLEST_EFFECT)}
            config |= effects
    older = evaluation.schema_version < SCHEMA_VERSION
    verify_ranges(replace(run, descriptions=descriptions))
    return replace(
        run,
        tasks=tasks,
        descriptions=descriptions,
        primary_metric=named(evaluation.primary_metric) if evaluation.primary_metric else None,
        config=config,
        unverified=run.unverified or older,
    )


def with_later_evaluation(run: Run, name: str, floors: FindFloor, digests: Digests) -> Run:
    """The run with what the evaluation `name` says in place of the one that its summary holds:
    metrics, tasks, floors and settings. The status stays that of the run's end.

    Raises `Damaged` if the run has no such evaluation or it cannot be used.
    """
    if run.status in (None, "diverged"):
        raise Damaged(f"no evaluation {name}: the run has no result of its own")
    known = evaluation_names(run.path)
    if name not in known:
        raise Damaged(f"no evaluation {name}; it has {', '.join(known[:6]) or 'none'}")
    file = f"{layout.EVALUATIONS}/{name}.json"
    evaluation = read_evaluation(run.path, name)
    verify_digest(run.path, digests, file)
    run = replace(
        run,
        metrics=_metrics(evaluation.metrics, file),
        untrained=_metrics(evaluation.untrained, file),
        evaluation=name,
        later=name != run.evaluation,
        floors=_floors(run.path, evaluation.floors, file, floors, digests),
    )
    return with_evaluation(run, evaluation)


def evaluation_names(path: Path) -> tuple[str, ...]:
    """The names of a run's evaluations, of which nothing is read; sorted."""
    folder = path / layout.EVALUATIONS
    try:
        if folder.is_symlink():
            return ()
        with os.scandir(folder) as entries:
            files = [entry.name for entry in islice(entries, _MOST_EVALUATIONS)]
    except OSError:
        return ()
    stems = [file.removesuffix(".json") for file in files if file.endswith(".json")]
    return tuple(sorted(stem for stem in stems if is_evaluation_name(stem)))


def _tasks(kinds: Mapping[str, Mapping[str, Column]], file: str) -> dict[str, TaskRows]:
    """Per-task rows by kind; raises `Damaged` for a column of another type or length."""
    tasks: dict[str, TaskRows] = {}
    for kind, columns in kinds.items():
        if "success" not in columns:
            raise Damaged(f"{file}: tasks.{shown(kind)} has no success")
        unknown = [None] * len(columns["success"])
        arrays: dict[str, np.ndarray] = {}
        for column, types in _COLUMNS.items():
            values = columns.get(column, unknown)
            if len(values) != len(unknown) or not set(map(type, values)) <= types:
                raise Damaged(f"{file}: tasks.{shown(kind)}.{column} has another length or type")
            arrays[column] = np.array(values, dtype=float)  # null becomes NaN
            if (np.abs(arrays[column]) > _LARGEST).any():
                raise Damaged(f"{file}: tasks.{shown(kind)}.{column} is beyond any measurement")
        tasks[named(kind)] = TaskRows(**arrays)
    return tasks


def read_floor(path: Path, policy: str, key: str, digest: str | None) -> Floor | None:
    """floors/<key>.json of the run's own directory or of the sweep; None if there is none and no
    `digest` vouches for one. Raises `Damaged` for a file with another digest."""
    name = f"{layout.FLOORS}/{key}.json"
    for directory in (path, path.parent):
        floor = read_record(FloorFile, directory, layout.FLOORS, f"{key}.json")
        if floor is None:
            continue
        if floor.policy != policy:
            raise Damaged(f"{name} is not a floor of policy {policy}")
        if digest is not None and file_digest(directory, layout.FLOORS, f"{key}.json") != digest:
            raise Damaged(f"{name} is not the one that {path.name} used (its digest)")
        verify_means(floor.tasks, floor.metrics, name)
        return Floor(
            key=key,
            policy=policy,
            seed=floor.seed,
            metrics=_metrics(floor.metrics, name),
            tasks=_tasks(floor.tasks, name),
        )
    if digest is not None:
        raise Damaged(f"{name} is missing")
    return None
