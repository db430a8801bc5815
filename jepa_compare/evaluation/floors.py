"""Floors and ceilings: what the planning tasks yield without a trained model.

Computed once per world and settings, by the harness that models go through, and kept as
`floors/<key>.json` in the sweep's directory, so that tables never hold typed-in numbers.

Shape legend: n tasks, s state dimensions, a action dimensions.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data.base import World
from jepa_compare.data.policies import Policy, RandomWalk, straight_line
from jepa_compare.evaluation.planning.dynamics import Dynamics, TrueDynamics
from jepa_compare.evaluation.planning.episodes import MakePolicy, Outcome, play_tasks
from jepa_compare.evaluation.planning.receding_horizon import RecedingHorizon
from jepa_compare.rng import generator
from jepa_compare.runs import layout
from jepa_compare.system import files

POLICIES = ("random", "straight_line", "door_script", "oracle")
"""Those that depend on the world and the settings alone. The fifth floor is `untrained`."""


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


def planner_policy(dynamics: Dynamics, world: World, settings: EvaluationSettings) -> MakePolicy:
    """Receding-horizon control in `dynamics`, for every kind of task."""
    return lambda kind: RecedingHorizon(
        dynamics,
        world.action_dim,
        settings.planning,
        settings.seed,
        f"evaluation/{kind}/planner",
    )


def scripted_policy(name: str, world: World, settings: EvaluationSettings) -> MakePolicy:
    """One of POLICIES."""
    if name == "oracle":
        return planner_policy(TrueDynamics(world=world), world, settings)

    def make(kind: str) -> Policy:
        if name == "random":
            draw = generator(settings.seed, f"evaluation/{kind}/random")
            return RandomWalk(world.max_action_norm, draw)
        if name == "straight_line":
            return partial(straight_line, max_norm=world.max_action_norm)
        return world.door_script

    return make


def floor_key(
    policy: str,
    world_config: dict[str, Any],
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
            "world": world_config,
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


def world_floors(
    world: World,
    world_config: dict[str, Any],
    settings: EvaluationSettings,
    directory: Path,
    device: torch.device,
) -> dict[str, str]:
    """See to it that every floor of POLICIES is stored; the key of each."""
    keys = {policy: floor_key(policy, world_config, settings) for policy in POLICIES}
    for policy, key in keys.items():

        def compute(policy: str = policy) -> Floor:
            make = scripted_policy(policy, world, settings)
            outcomes = play_tasks(world, make, settings, device)
            return Floor(
                policy=policy, seed=None, metrics=named_metrics(outcomes), tasks=task_rows(outcomes)
            )

        stored_floor(directory, key, policy, None, compute)
    return keys


def named_metrics(outcomes: dict[str, Outcome]) -> dict[str, float | None]:
    """All planning metrics under their full names."""
    return {
        f"eval/{name}": value
        for kind, outcome in outcomes.items()
        for name, value in outcome.metrics(kind).items()
    }


def task_rows(outcomes: dict[str, Outcome]) -> dict[str, Any]:
    """All per-task rows."""
    return {kind: outcome.rows() for kind, outcome in outcomes.items()}


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
