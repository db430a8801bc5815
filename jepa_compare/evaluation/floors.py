"""Floors and ceilings: what the planning tasks yield without a trained model.

Computed once per source and settings, by the harness that models go through, and kept as
`floors/<key>.json` in the sweep's directory, so that tables never hold typed-in numbers.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data.environment import TaskSuite
from jepa_compare.evaluation.planning.episodes import named_metrics, play_tasks, task_rows
from jepa_compare.evaluation.planning.reference import reference_policy
from jepa_compare.runs import layout
from jepa_compare.system import files


@dataclass(frozen=True, kw_only=True, slots=True)
class Floor:
    """One stored floor."""

    policy: str
    seed: int | None
    """Of the untrained model's weights."""
    metrics: dict[str, float | None]
    """Under "eval/..."; of the untrained model all that an evaluation has."""
    tasks: dict[str, Any]
    """Per-task rows, as in evaluations/<hash>.json."""


def floor_key(
    policy: str,
    source_config: dict[str, Any],
    settings: EvaluationSettings,
    model_config: dict[str, Any] | None = None,
    seed: int | None = None,
) -> str:
    """The name of a floor's file: a hash of all that its numbers depend on.

    `model_config` and `seed` are those of the untrained model.
    """
    evaluation = settings.identity()
    if model_config is None:
        evaluation = {key: evaluation[key] for key in ("version", "seed", "planning")}
        if policy != "oracle":
            del evaluation["planning"]["planner"], evaluation["planning"]["replan_interval"]
    return files.content_hash(
        {
            "policy": policy,
            "world": source_config,
            "evaluation": evaluation,
            "model": model_config,
            "seed": seed,
        }
    )


def stored_floor(
    directory: Path, key: str, policy: str, seed: int | None, compute: Callable[[], Floor]
) -> Floor:
    """The floor kept under `key` in `directory` (.../floors), computed and kept if it is not there
    or the file is damaged. Runs side by side may both compute it; they write the same."""
    path = directory / f"{key}.json"
    floor = _read(path, policy, seed)
    if floor is None:
        floor = compute()
        files.write_json(path, {"schema_version": layout.SCHEMA_VERSION, **asdict(floor)})
    return floor


def reference_floors(
    suite: TaskSuite | None,
    source_config: dict[str, Any],
    settings: EvaluationSettings,
    directory: Path,
    device: torch.device,
) -> dict[str, str]:
    """See to it that the floor of every reference policy is stored; the key of each. None where
    nothing is planned."""
    if suite is None or not settings.planning.kinds:
        return {}
    keys = {policy: floor_key(policy, source_config, settings) for policy in suite.policies}
    for policy, key in keys.items():

        def compute(policy: str = policy) -> Floor:
            outcomes = play_tasks(
                suite, reference_policy(policy, suite, settings), settings, device
            )
            return Floor(
                policy=policy, seed=None, metrics=named_metrics(outcomes), tasks=task_rows(outcomes)
            )

        stored_floor(directory, key, policy, None, compute)
    return keys


def _read(path: Path, policy: str, seed: int | None) -> Floor | None:
    """The floor in a file, or None if it is missing, damaged or another one."""
    try:
        data = files.read_json(path)
        floor = Floor(**{key: data[key] for key in ("policy", "seed", "metrics", "tasks")})
        fits = (
            data["schema_version"] == layout.SCHEMA_VERSION
            and (floor.policy, floor.seed) == (policy, seed)
            and all(_is_number(value) for value in floor.metrics.values())
            and all(
                len({len(column) for column in rows.values()}) == 1 for rows in floor.tasks.values()
            )
        )
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        return None
    return floor if fits else None


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and math.isfinite(value))
