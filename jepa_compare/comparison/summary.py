"""What a run achieved: its summary, the evaluation behind it, and the floors beside it."""

import math
import os
import re
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np

from jepa_compare.comparison.runs import Floor, TaskRows, What
from jepa_compare.runs import layout
from jepa_compare.runs.descriptions import read_descriptions
from jepa_compare.runs.layout import Status
from jepa_compare.runs.untrusted import (
    MEGABYTE,
    Damaged,
    flatten,
    integer,
    mapping,
    named,
    number,
    quoted,
    read_object,
    require_schema,
    shown,
)

EVALUATION_LIMIT = 16 * MEGABYTE
"""Over a hundred times what a thousand tasks of three kinds take."""

_FILE_STEM = re.compile(r"[A-Za-z0-9_-]{1,100}")
_MOST_TASKS = 1_000_000
_MOST_EVALUATIONS = 1000  # of one run, that are listed
_OF_TRAINING = ("evaluation.interval", "evaluation.collapse_interval")
_STOPS_BY = (
    "evaluation.seed",
    "evaluation.frames",
    "evaluation.trajectories",
    "evaluation.collapse_trajectories",
)
_LARGEST = 1e100  # of a number: its cube is still finite
_ROUNDING = 1e-4  # by which a rate in the summary may differ from the rows behind it

Note = Callable[[Path, What, str], None]
"""Called with (path, kind of `LeftOut`, reason) for each part that is not used."""
FindFloor = Callable[[Path, str, str], Floor | None]
"""Called with (run directory, policy, key)."""


def parse_summary(
    path: Path,
    summary: dict[str, Any],
    note: Note,
    floors: FindFloor,
) -> dict[str, Any]:
    """Everything that summary.json says; a wrong type makes that one value missing."""

    def tolerant(name: str, read: Callable[[], Any], default: Any) -> Any:
        try:
            return read()
        except Damaged as damage:
            note(path / layout.SUMMARY, "value", f"{name}: {damage}")
            return default

    def numbers(name: str) -> dict[str, float]:
        found = tolerant(name, lambda: mapping(summary.get(name), name), {})
        return _numbers(found, lambda reason: note(path / layout.SUMMARY, "value", reason))

    status: Status = summary["status"]
    surroundings = {
        key: tolerant(key, lambda key=key: flatten(summary.get(key), key), {})
        for key in ("versions", "hardware", "git", "flags", "environment")
    }
    provenance = {
        f"{group}.{key}": str(value)
        for group, values in surroundings.items()
        for key, value in values.items()
    }
    command = summary.get("command")
    if isinstance(command, list) and len(command) <= 1000:
        provenance["command"] = shown(" ".join(shown(word) for word in command))
    cost = {
        f"{group}.{key}": value
        for group in ("seconds", "parameters")
        for key, value in numbers(group).items()
    }
    for key in ("samples_per_second", "peak_memory_bytes"):
        cost[key] = tolerant(key, lambda key=key: number(summary.get(key)), np.nan)
    collapsed_at = summary.get("collapsed_at")
    evaluation = summary.get("evaluation")
    keys = tolerant("floors", lambda: mapping(summary.get("floors"), "floors"), {})
    return {
        "status": status,
        "metrics": numbers("metrics"),
        "untrained": numbers("untrained"),
        "evaluation": evaluation if _is_stem(evaluation) else None,
        "floors": _floors(path, keys, floors),
        "collapsed_at": collapsed_at if type(collapsed_at) is int else None,
        "alarms": _alarms(summary.get("alarms")),
        "provenance": provenance,
        "cost": cost,
        **({"reason": _why(status, summary)} if status != "healthy" else {}),
    }


def _floors(path: Path, keys: Mapping[str, Any], floors: FindFloor) -> dict[str, Floor]:
    found = {
        policy: floors(path, policy, key)
        for policy, key in keys.items()
        if _is_stem(policy) and _is_stem(key)
    }
    return {policy: floor for policy, floor in found.items() if floor is not None}


def _is_stem(value: Any) -> bool:
    return isinstance(value, str) and _FILE_STEM.fullmatch(value) is not None


def _numbers(found: Mapping[str, Any], note: Callable[[str], None]) -> dict[str, float]:
    values = {}
    for key, value in found.items():
        try:
            values[named(key)] = _plausible(key, number(value))
        except Damaged as damage:
            note(f"{shown(key)}: {damage}")
    return values


def _plausible(key: str, value: float) -> float:
    """Refuse what no evaluation can have measured: it would swallow the other runs' numbers."""
    if math.isfinite(value) and abs(value) > _LARGEST:
        raise Damaged(f"{value:g} is beyond any measurement")
    if key.startswith("eval/success_") and not (0 <= value <= 1 or math.isnan(value)):
        raise Damaged(f"{value:g} is not a success rate")
    return value


def _why(status: Status, summary: dict[str, Any]) -> str:
    if status != "diverged":
        step = summary.get("collapsed_at")
        return f"collapsed at step {step}" if type(step) is int else "collapsed"
    where = summary.get("diverged")
    if not isinstance(where, dict):
        return "not finite"
    term, step = shown(where.get("term", "loss")), shown(where.get("step", "?"))
    return shown(f"{term} not finite at step {step}")


def _alarms(value: Any) -> tuple[tuple[int, str], ...]:
    if not isinstance(value, list):
        return ()
    return tuple(
        (item["step"], shown(item.get("message", "")))
        for item in value[:100]
        if isinstance(item, dict) and type(item.get("step")) is int
    )


def parse_evaluation(path: Path, fields: Mapping[str, Any], note: Note) -> dict[str, Any]:
    """Per-task rows and settings of the evaluation behind the summary's numbers."""
    if fields["evaluation"] is None:
        return {}
    try:
        return _tasks_and_config(_read_evaluation(path, fields["evaluation"]), fields)
    except Damaged as damage:
        file = f"{fields['evaluation']}.json"
        note(path / layout.EVALUATIONS / file, "file", str(damage))
        return {}


def choose_evaluation(
    path: Path, name: str, fields: Mapping[str, Any], note: Note, floors: FindFloor
) -> dict[str, Any]:
    """What the evaluation `name` of a finished run says, in place of the one that its summary
    holds: metrics, tasks, floors and settings. The status stays that of the run's end.

    Raises `Damaged` if the run has no such evaluation or a part of it cannot be used.
    """
    if not is_evaluation_name(name):
        raise Damaged(f"{quoted(name)} is not the name of an evaluation")
    if fields["status"] in (None, "diverged"):
        raise Damaged(f"no evaluation {name}: the run has no result of its own")
    known = evaluation_names(path)
    if name not in known:
        raise Damaged(f"no evaluation {name}; it has {', '.join(known[:6]) or 'none'}")
    found = _read_evaluation(path, name)

    def numbers(part: str) -> dict[str, float]:
        at = path / layout.EVALUATIONS / f"{name}.json"
        return _numbers(mapping(found.get(part), part), lambda why: note(at, "value", why))

    chosen = {
        "metrics": numbers("metrics"),
        "untrained": numbers("untrained"),
        "evaluation": name,
        "later": name != fields["evaluation"],
        "floors": _floors(path, mapping(found.get("floors"), "floors"), floors),
    }
    return chosen | _tasks_and_config(found, {**fields, **chosen})


def is_evaluation_name(name: str) -> bool:
    """Whether `name` could be that of a file in evaluations/, without its ".json"."""
    return _is_stem(name)


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
    return tuple(sorted(stem for stem in stems if _is_stem(stem)))


def _read_evaluation(path: Path, name: str) -> dict[str, Any]:
    parts = (layout.EVALUATIONS, f"{name}.json")
    found = read_object(path, *parts, limit=EVALUATION_LIMIT)
    if found is None:
        raise Damaged(f"{'/'.join(parts)} is missing")
    require_schema(found, "/".join(parts), layout.SCHEMA_VERSION)
    return found


def _tasks_and_config(found: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Per-task rows, and the run's config with the settings that it was evaluated with."""
    settings = flatten(found.get("settings"), "settings")
    tasks = parse_tasks(found.get("tasks"))
    _agree(tasks, fields["metrics"])
    descriptions = read_descriptions(mapping(found.get("descriptions"), "descriptions"))
    if not settings:
        return {"tasks": tasks, "descriptions": descriptions}
    own = fields["config"]
    config = {k: v for k, v in own.items() if not k.startswith("evaluation.")}
    config |= {f"evaluation.{key}": value for key, value in settings.items()}
    # When was looked while training is the run's, whatever a later evaluation was composed with;
    # and at what, if that could stop it. (Of one later evaluation all runs have the same settings.)
    stops = own.get("training.on_collapse") == "stop"
    kept = _OF_TRAINING + _STOPS_BY * stops
    config |= {key: own[key] for key in kept if key in own}
    return {"tasks": tasks, "descriptions": descriptions, "config": config}


def parse_tasks(value: Any) -> dict[str, TaskRows]:
    """Per-task rows by kind; raises `Damaged` when a row has the wrong type or length."""
    tasks = {}
    for kind, rows in mapping(value, "tasks").items():
        columns = mapping(rows, f"tasks.{shown(kind)}")
        success = columns.get("success")
        if not isinstance(success, list) or len(success) > _MOST_TASKS:
            raise Damaged(f"tasks.{shown(kind)} has no list of successes")
        if not set(map(type, success)) <= {bool, NoneType}:
            raise Damaged(f"tasks.{shown(kind)}.success holds something that is not true or false")
        tasks[named(kind)] = TaskRows(
            success=np.array([np.nan if x is None else float(x) for x in success], dtype=float),
            final_distance=_column(columns, "final_distance", len(success)),
            steps=_column(columns, "steps", len(success)),
        )
    return tasks


def _column(columns: dict[str, Any], name: str, length: int) -> np.ndarray:
    values = columns.get(name)
    if values is None:
        return np.full(length, np.nan)
    if not isinstance(values, list) or len(values) != length:
        raise Damaged(f"tasks: {name} is not a list of {length}")
    if set(map(type, values)) == {float}:  # by far the most frequent, and 200 a run
        return np.array(values)
    return np.array([number(value) for value in values], dtype=float)


def _agree(tasks: Mapping[str, TaskRows], metrics: Mapping[str, float]) -> None:
    """Refuse rows that are not those behind the summary's numbers."""
    for kind, rows in tasks.items():
        reported = metrics.get(f"eval/success_{kind}", np.nan)
        recorded = rows.success[~np.isnan(rows.success)]
        if len(recorded) and np.isfinite(reported) and abs(recorded.mean() - reported) > _ROUNDING:
            raise Damaged(f"{kind} success: rows {recorded.mean():.4f}, summary {reported:.4f}")


def parse_floor(path: Path, policy: str, key: str) -> Floor | None:
    """floors/<key>.json of the run's own directory or of the sweep; None if there is none."""
    for directory in (path, path.parent):
        found = read_object(directory, layout.FLOORS, f"{key}.json", limit=EVALUATION_LIMIT)
        if found is None:
            continue
        require_schema(found, f"{layout.FLOORS}/{key}.json", layout.SCHEMA_VERSION)
        if found.get("policy") != policy:
            raise Damaged(f"{layout.FLOORS}/{key}.json is not a floor of policy {policy}")
        seed = found.get("seed")
        return Floor(
            key=key,
            policy=policy,
            seed=None if seed is None else integer(seed, "seed of a floor", low=-(2**63)),
            metrics=_numbers(mapping(found.get("metrics"), "metrics"), _refuse),
            tasks=parse_tasks(found.get("tasks")),
        )
    return None


def _refuse(reason: str) -> None:
    raise Damaged(reason)
