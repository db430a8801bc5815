"""Dots that move in straight lines, bounce off the edge of the room and mean nothing.

Shape legend: n states, k distractors. A distractor is four columns of the state: x, y in px and
its velocity in px per step; its motion does not depend on the agent, and the wall is no obstacle.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

COLUMNS = 4


def from_uniform(
    u: Float[Tensor, "n k 3"], low: float, high: float, speed: float
) -> Float[Tensor, "n k 4"]:
    """Distractors anywhere in [low, high]², in any direction, at one speed."""
    position = low + (high - low) * u[..., :2]
    heading = 2 * math.pi * u[..., 2]
    velocity = speed * torch.stack([heading.cos(), heading.sin()], dim=-1)
    return torch.cat([position, velocity], dim=-1)


def advance(distractors: Float[Tensor, "n k 4"], low: float, high: float) -> Float[Tensor, "n k 4"]:
    """One step later: what passes an edge is reflected there."""
    position, velocity = distractors[..., :2], distractors[..., 2:]
    moved = position + velocity
    outside = (moved < low) | (moved > high)
    reflected = torch.where(moved < low, 2 * low - moved, 2 * high - moved)
    return torch.cat(
        [torch.where(outside, reflected, moved), torch.where(outside, -velocity, velocity)], dim=-1
    )
