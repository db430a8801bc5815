"""Policies that need no model, and the loop that plays one: the floors of the planning tasks.

Shape legend: n episodes, t = steps + 1 positions, s state, a action and p position dimensions.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.data.base import World
from jepa_compare.data.rooms.geometry import cut, to_device

Policy = Callable[[Tensor, Tensor], Tensor]
"""(state [n s], goal [n s]) -> action [n a]"""


def straight_line(
    state: Float[Tensor, "n s"], goal: Float[Tensor, "n s"], max_norm: float
) -> Float[Tensor, "n 2"]:
    """Walk straight at the goal, at most `max_norm` a step, whatever is in the way."""
    return cut(goal[:, :2] - state[:, :2], max_norm)


class RandomWalk:
    """Blind to state and goal: headings turn by 0.5·N(0, 1) rad a step, steps are uniform in the
    disc of radius `max_norm`. The behaviour policy of the default world."""

    def __init__(self, max_norm: float, generator: torch.Generator) -> None:
        self.max_norm = max_norm
        self.generator = generator
        self.heading: Tensor | None = None

    def __call__(
        self, state: Float[Tensor, "n s"], goal: Float[Tensor, "n s"]
    ) -> Float[Tensor, "n 2"]:
        n = len(state)
        if self.heading is None:
            self.heading = 2 * math.pi * torch.rand(n, generator=self.generator)
        self.heading = self.heading + 0.5 * torch.randn(n, generator=self.generator)
        u = torch.rand(n, generator=self.generator)
        return to_device(disc(u, self.heading, self.max_norm), state.device)


def disc(
    u: Float[Tensor, "*n"], heading: Float[Tensor, "*n"], max_norm: float
) -> Float[Tensor, "*n 2"]:
    """Vectors along `heading` [rad], uniform in the disc by area when `u` is uniform in [0, 1)."""
    norm = max_norm * u.sqrt()
    return torch.stack([norm * heading.cos(), norm * heading.sin()], dim=-1)


def play(
    world: World,
    policy: Policy,
    start: Float[Tensor, "n s"],
    goal: Float[Tensor, "n s"],
    steps: int,
    generator: torch.Generator | None,
) -> Float[Tensor, "n t p"]:
    """Positions before the first and after each step of `policy` in the world.

    `generator` is the source of the environment's noise; None plays without noise.
    """
    state = start
    positions = [state[:, : world.position_dim]]
    for _ in range(steps):
        state = world.step(state, policy(state, goal), generator)
        positions.append(state[:, : world.position_dim])
    return torch.stack(positions, dim=1)
