"""Policies that need no model: the floors of the rooms' planning tasks.

Shape legend: n episodes, s state and a action dimensions.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.data.rooms.geometry import cut, to_device


def straight_line(
    state: Float[Tensor, "n s"], goal: Float[Tensor, "n s"], max_norm: float
) -> Float[Tensor, "n 2"]:
    """Walk straight at the goal, at most `max_norm` a step, whatever is in the way."""
    return cut(goal[:, :2] - state[:, :2], max_norm)


class RandomWalk:
    """Blind to state and goal: headings turn by 0.5·N(0, 1) rad a step, steps are uniform in the
    disc of radius `max_norm`. The behaviour policy of the default source."""

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
