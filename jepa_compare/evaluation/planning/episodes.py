"""The planning tasks: acting towards goals in the world, one outcome per task.

Shape legend: n tasks, t environment steps + 1, s state dimensions, p position dimensions.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data.base import World
from jepa_compare.data.policies import Policy, play
from jepa_compare.rng import generator

MakePolicy = Callable[[str], Policy]
"""From a kind of task to the policy that plays it: a fresh one, for a policy may have memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a policy achieved on the tasks of one kind."""

    start: Float[Tensor, "n s"]
    goal: Float[Tensor, "n s"]
    path: Float[Tensor, "n t p"]
    success: dict[str, list[bool]]
    """Per criterion of the world, the primary one first."""
    final_distance: list[float]
    """Distance to the goal at the end, px."""
    steps: list[int | None]
    """Environment steps until the primary criterion was first met; None if it never was."""

    def rows(self) -> dict[str, Any]:
        """Per-task rows for evaluations/<hash>.json."""
        primary, *others = self.success
        further = {f"success_{criterion}": self.success[criterion] for criterion in others}
        return {
            "success": self.success[primary],
            "final_distance": self.final_distance,
            "steps": self.steps,
            **further,
        }

    def metrics(self, kind: str) -> dict[str, float | None]:
        """Means over the tasks, under their names without "eval/"."""
        primary, *others = self.success
        reached = [step for step in self.steps if step is not None]
        return {
            f"success_{kind}": _mean(self.success[primary]),
            f"distance_{kind}": _mean(self.final_distance),
            f"steps_{kind}": _mean(reached) if reached else None,
            **{f"success_{kind}_{other}": _mean(self.success[other]) for other in others},
        }

    def episodes(self, world: World, count: int) -> list[dict[str, Any]]:
        """The first tasks as plain data, for figures."""
        primary = next(iter(self.success))
        return [
            {
                "task": task,
                "success": self.success[primary][task],
                "steps": self.steps[task],
                "path": _rounded(self.path[task]),
                "goal": _rounded(self.goal[task, : world.position_dim]),
                "walls": [list(map(float, wall)) for wall in world.walls(self.start[task])],
            }
            for task in range(min(count, len(self.start)))
        ]


def play_tasks(
    world: World, make_policy: MakePolicy, settings: EvaluationSettings, device: torch.device
) -> dict[str, Outcome]:
    """Play every kind of `settings.planning`. Tasks and the environment's noise come from streams
    of `settings.seed` named by the kind alone: the same for every policy, loss and training seed.

    Raises ValueError for a kind that the world does not have.
    """
    outcomes = {}
    for kind in settings.planning.kinds:
        tasks = generator(settings.seed, f"evaluation/{kind}")
        start, goal = world.sample_tasks(tasks, kind, settings.planning.tasks, device)
        noise = generator(settings.seed, f"evaluation/{kind}/environment")
        path = play(world, make_policy(kind), start, goal, settings.planning.steps, noise)
        outcomes[kind] = score(world, start, goal, path)
    return outcomes


def score(
    world: World,
    start: Float[Tensor, "n s"],
    goal: Float[Tensor, "n s"],
    path: Float[Tensor, "n t p"],
) -> Outcome:
    """Judge paths by the world's criteria."""
    distance = (path - goal[:, None, : world.position_dim]).norm(dim=-1)  # [n t]
    success = {name: world.success(distance, name).tolist() for name in world.criteria}
    primary = world.criteria[0]
    # A criterion of one step only: within reach at that step.
    reached = torch.stack(
        [world.success(column[:, None], primary) for column in distance.unbind(1)], dim=1
    )
    first = reached.int().argmax(dim=1).tolist()
    solved = success[primary]
    return Outcome(
        start=start,
        goal=goal,
        path=path,
        success=success,
        final_distance=distance[:, -1].tolist(),
        steps=[step if ok else None for step, ok in zip(first, solved, strict=True)],
    )


def _mean(values: list[bool] | list[float] | list[int]) -> float:
    return math.fsum(values) / len(values)


def _rounded(points: Tensor) -> Any:
    """Plain numbers with as many digits as a picture needs."""
    return (points.double() * 100).round().div(100).tolist()
