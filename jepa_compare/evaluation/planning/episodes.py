"""The planning tasks: acting towards goals in the environment, one outcome per task.

Shape legend: n tasks, t environment steps + 1.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data.environment import Policy, Rectangle, State, TaskSuite, play
from jepa_compare.rng import generator
from jepa_compare.runs.evaluation_records import Episode
from jepa_compare.system.progress import noted

MakePolicy = Callable[[str, int], Policy]
"""From a kind of task and the seed of a set of them to the policy that plays it: a fresh one, for a
policy may have memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a policy achieved on the tasks of one kind."""

    path: Float[Tensor, "n t 2"]
    """Positions, before the first step and after each."""
    goal: Float[Tensor, "n 2"]
    obstacles: list[list[Rectangle]]
    """Per task, at its start."""
    success: dict[str, list[bool]]
    """Per criterion of the suite, the primary one first."""
    final_distance: list[float]
    """Distance to the goal when the task was decided, in the suite's unit: when the goal was first
    reached, where that is enough, else at the end."""
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

    def episodes(self, count: int) -> list[Episode]:
        """The first tasks, for figures."""
        primary = next(iter(self.success))
        return [
            Episode(
                task=task,
                success=self.success[primary][task],
                steps=self.steps[task],
                path=_rounded(self.path[task]),
                goal=_rounded(self.goal[task]),
                walls=[list(map(float, rectangle)) for rectangle in self.obstacles[task]],
            )
            for task in range(min(count, len(self.path)))
        ]


def play_tasks(
    suite: TaskSuite,
    make_policy: MakePolicy,
    settings: EvaluationSettings,
    device: torch.device,
) -> dict[str, Outcome]:
    """Play every kind of `settings.planning`. Tasks and the environment's noise come from streams
    of the task seed named by the kind alone: the same for every policy, loss and training seed.
    Sets of several task seeds are played one after the other and pooled into one outcome.

    Raises ValueError for a kind that the suite does not have.
    """
    environment, planning = suite.environment, settings.planning

    def play_set(kind: str, seed: int) -> Outcome:
        draws = generator(seed, f"evaluation/{kind}")
        tasks = suite.sample(draws, kind, planning.tasks, device)
        start, goal = environment.reset(tasks.start), environment.reset(tasks.goal)
        noise = generator(seed, f"evaluation/{kind}/environment")
        states = play(environment, make_policy(kind, seed), start, goal, planning.steps, noise)
        return score(suite, states, goal)

    return {
        kind: _pooled([play_set(kind, seed) for seed in settings.task_seeds()])
        for kind in noted("planning tasks", planning.kinds)
    }


def _pooled(sets: list[Outcome]) -> Outcome:
    """The tasks of all sets, one set after the other."""
    return Outcome(
        path=torch.cat([each.path for each in sets]),
        goal=torch.cat([each.goal for each in sets]),
        obstacles=[task for each in sets for task in each.obstacles],
        success={
            name: [task for each in sets for task in each.success[name]] for name in sets[0].success
        },
        final_distance=[task for each in sets for task in each.final_distance],
        steps=[task for each in sets for task in each.steps],
    )


def score(suite: TaskSuite, states: Iterable[State], goal: State) -> Outcome:
    """Judge what was played by the suite's criteria, each state when it is reached: a simulator may
    hand out the same handle again."""
    path, obstacles, distances = [], None, []
    reached: dict[str, list[Tensor]] = {criterion.name: [] for criterion in suite.criteria}
    for state in states:
        obstacles = suite.obstacles(state) if obstacles is None else obstacles
        path.append(suite.position(state))
        distances.append(suite.distance(state, goal))
        for name, column in reached.items():
            column.append(suite.reached(state, goal, name))
    assert obstacles is not None
    at_goal = {name: torch.stack(columns, dim=1) for name, columns in reached.items()}  # [n t]
    success = {
        criterion.name: (
            at_goal[criterion.name].any(dim=1)
            if criterion.when == "ever"
            else at_goal[criterion.name][:, -1]
        ).tolist()
        for criterion in suite.criteria
    }
    primary = suite.criteria[0].name
    first = at_goal[primary].int().argmax(dim=1).tolist()
    distance = torch.stack(distances, dim=1)  # [n t]
    decided = torch.stack([at_goal[c.name] for c in suite.criteria]).all(dim=0)  # [n t]
    decided[:, -1] = True
    if not suite.decided_when_reached:
        decided[:, :-1] = False
    at = decided.int().argmax(dim=1, keepdim=True)
    return Outcome(
        path=torch.stack(path, dim=1),
        goal=suite.position(goal),
        obstacles=obstacles,
        success=success,
        final_distance=distance.gather(1, at)[:, 0].tolist(),
        steps=[step if ok else None for step, ok in zip(first, success[primary], strict=True)],
    )


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


def _mean(values: list[bool] | list[float] | list[int]) -> float:
    return math.fsum(values) / len(values)


def _rounded(points: Tensor) -> Any:
    """Plain numbers with as many digits as a picture needs."""
    return (points.double() * 100).round().div(100).tolist()
