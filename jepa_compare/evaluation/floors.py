"""Floors and ceilings: what the planning tasks yield without a trained model.

Computed once per source and settings, by the harness that models go through, and kept as
`floors/<key>.json` in the sweep's directory, so that tables never hold typed-in numbers.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data.environment import TaskSuite
from jepa_compare.evaluation.planning.episodes import named_metrics, play_tasks, task_rows
from jepa_compare.evaluation.planning.reference_policies import PLANNERS, reference_policy
from jepa_compare.runs.codec import encode
from jepa_compare.runs.evaluation_records import FloorFile
from jepa_compare.runs.reader import read_record
from jepa_compare.runs.records import SCHEMA_VERSION
from jepa_compare.runs.untrusted import Damaged
from jepa_compare.system import files
from jepa_compare.system.progress import noted


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
        parts = ("version", "seed", "task_seed", "planning")
        parts += ("planner_seed",) if policy in PLANNERS else ()
        evaluation = {key: evaluation[key] for key in parts if key in evaluation}
        if policy not in PLANNERS:
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
    directory: Path, key: str, policy: str, seed: int | None, compute: Callable[[], FloorFile]
) -> FloorFile:
    """The floor kept under `key` in `directory` (.../floors), computed and kept if it is not there
    or the file is damaged. Runs side by side may both compute it; they write the same."""
    floor = _read(directory, key, policy, seed)
    if floor is None:
        floor = compute()
        files.write_json(directory / f"{key}.json", encode(floor))
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
    for policy in noted("floors", list(keys)):

        def compute(policy: str = policy) -> FloorFile:
            outcomes = play_tasks(
                suite, reference_policy(policy, suite, settings), settings, device
            )
            return FloorFile(
                schema_version=SCHEMA_VERSION,
                policy=policy,
                seed=None,
                metrics=named_metrics(outcomes),
                tasks=task_rows(outcomes),
            )

        stored_floor(directory, keys[policy], policy, None, compute)
    return keys


def _read(directory: Path, key: str, policy: str, seed: int | None) -> FloorFile | None:
    """The floor in a file, or None if it is missing, damaged or another one."""
    try:
        floor = read_record(FloorFile, directory, f"{key}.json")
    except Damaged:
        return None
    if floor is None or (floor.schema_version, floor.policy, floor.seed) != (
        SCHEMA_VERSION,
        policy,
        seed,
    ):
        return None
    numbers = (value for value in floor.metrics.values() if value is not None)
    lengths = [{len(column) for column in rows.values()} for rows in floor.tasks.values()]
    whole = all(map(math.isfinite, numbers)) and all(len(each) == 1 for each in lengths)
    return floor if whole else None
