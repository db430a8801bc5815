"""Planning tasks of the two-rooms worlds, drawn by rejection.

Shape legend: n tasks, c candidates, s state dimensions.
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from jepa_compare.data.base import TaskKind, World
from jepa_compare.data.policies import play, straight_line
from jepa_compare.data.rooms.geometry import require, to_device

Tasks = tuple[Float[Tensor, "n s"], Float[Tensor, "n s"]]
"""(start states, goal states)"""

_CHUNK = 1024
_MAX_CHUNKS = 100


def tasks_of(
    world: World,
    generator: torch.Generator,
    kind: TaskKind,
    n: int,
    device: torch.device,
    *,
    draw: Callable[[int, bool], Tasks],
    min_same_distance: float,
) -> Tasks:
    """`n` tasks of one kind, made on the CPU, so that they are the same bytes on every device.

    `draw(count, same_room)` makes start and goal in one room or in both, from `generator`. `same`
    keeps those at least `min_same_distance` apart, `door` keeps all, `detour` keeps the `door`
    tasks that the straight line fails by the world's first criterion in its `episode_steps`.
    Candidates come in chunks of one size, so fewer tasks are a prefix of more. Raises ValueError
    for a kind the world does not have, and when almost no candidate is kept.
    """
    require(kind in world.task_kinds, "task kind", kind, f"one of {', '.join(world.task_kinds)}")
    starts, goals = [], []
    found = 0
    for _ in range(_MAX_CHUNKS):
        start, goal = draw(_CHUNK, kind == "same")
        kept = torch.ones(_CHUNK, dtype=torch.bool)
        if kind == "same":
            kept = (goal - start)[:, : world.position_dim].norm(dim=-1) >= min_same_distance
        elif kind == "detour":
            kept = ~straight_line_succeeds(world, start, goal, generator)
        starts.append(start[kept])
        goals.append(goal[kept])
        found += int(kept.sum())
        if found >= n:
            start, goal = torch.cat(starts)[:n], torch.cat(goals)[:n]
            return to_device(start, device), to_device(goal, device)
    raise ValueError(
        f"only {found} of {n} {kind} tasks in {_MAX_CHUNKS * _CHUNK} draws: this world makes them"
        " too rare; give it larger rooms or smaller distances"
    )


def straight_line_succeeds(
    world: World,
    start: Float[Tensor, "c s"],
    goal: Float[Tensor, "c s"],
    generator: torch.Generator,
) -> Bool[Tensor, " c"]:
    """Whether the straight-line policy solves each task in the world's own environment."""
    policy = partial(straight_line, max_norm=world.max_action_norm)
    path = play(world, policy, start, goal, world.episode_steps, generator)
    distance = (path - goal[:, None, : world.position_dim]).norm(dim=-1)
    return world.success(distance, world.criteria[0])
