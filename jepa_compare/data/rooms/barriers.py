"""Walls without thickness: the lines that a moving dot must not cross, and where it meets them.

Shape legend: n dots, 2 axes (x, y), 4 lines per axis. Line [n, 0, i] is x = at, line [n, 1, i] is
y = at; each bars a part of itself and leaves the rest open.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """The square [low, high]² with a vertical wall that has a door. All in px."""

    low: float
    high: float
    wall_half_width: float
    door_half_height: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Barriers:
    """The four borders of a square and the outline of a vertical wall with a door in it.

    Along x: border, left face, right face, border. Along y: border, lower and upper jamb of the
    door, border.
    """

    at: Float[Tensor, "n 2 4"]
    """Where the line is on its axis."""
    middle: Float[Tensor, "n 2 1"]
    """A coordinate along the lines of an axis, from which `reach` counts."""
    reach: Float[Tensor, "2 4"]
    bars_within: Bool[Tensor, "2 4"]
    """Whether a line bars what is within `reach` of `middle` (jambs), or the rest (faces, and
    borders with a negative reach)."""

    @classmethod
    def around(cls, layout: Float[Tensor, "n 2"], room: Room) -> "Barriers":
        """The barriers of n rooms that differ in layout: (wall_x, door_y), the wall's centre line
        and the door's."""
        wall_x, door_y = layout.unbind(-1)
        low, high = torch.full_like(wall_x, room.low), torch.full_like(wall_x, room.high)
        left, right = wall_x - room.wall_half_width, wall_x + room.wall_half_width
        lower, upper = door_y - room.door_half_height, door_y + room.door_half_height
        at_x = torch.stack([low, left, right, high], dim=-1)
        at_y = torch.stack([low, lower, upper, high], dim=-1)
        # Made by arithmetic on the device: copying a constant there would make the host wait.
        line = torch.arange(4, device=wall_x.device)
        inner = (line == 1) | (line == 2)
        lies_along_x = torch.arange(2, device=wall_x.device)[:, None] == 1
        reach = torch.where(lies_along_x, room.wall_half_width, room.door_half_height)
        return cls(
            at=torch.stack([at_x, at_y], dim=1),
            middle=layout.flip(1)[:, :, None],
            reach=torch.where(inner, reach, -1.0),
            bars_within=inner & lies_along_x,
        )


class Contact(NamedTuple):
    """The first barrier on a straight way."""

    fraction: Float[Tensor, " n"]
    """How much of the way is free, in [0, 1]; infinite when all of it is."""
    line: Int[Tensor, " n"]
    """Which barrier, 4 · axis + index; any when there is none."""


def first_contact(
    position: Float[Tensor, "n 2"], move: Float[Tensor, "n 2"], barriers: Barriers
) -> Contact:
    """The first barrier between `position` and `position + move`."""
    fraction = (barriers.at - position[:, :, None]) / move[:, :, None]  # [n 2 4]
    # Where on the line the way meets it: the other axis's coordinate.
    along = position.flip(1)[:, :, None] + fraction * move.flip(1)[:, :, None]
    within = (along - barriers.middle).abs() <= barriers.reach
    met = (fraction >= 0) & (fraction <= 1) & (within == barriers.bars_within)
    first = torch.where(met, fraction, torch.inf).flatten(1).min(dim=1)
    return Contact(first.values, first.indices)


def bounce_off(
    position: Float[Tensor, "n 2"],
    move: Float[Tensor, "n 2"],
    noise: Float[Tensor, "n 2"],
    layout: Float[Tensor, "n 2"],
    room: Room,
    clearance: float,
) -> Float[Tensor, "n 2"]:
    """Where dots end that stop at the first barrier on their way and bounce off it.

    They bounce by `noise` along the barrier and by its absolute value away from it, and end
    `clearance` or more inside the place they hit the barrier from: a room, or the door between
    its jambs. Dots with a free way just move.
    """
    contact = first_contact(position, move, Barriers.around(layout, room))
    stop = position + contact.fraction.clamp(max=1)[:, None] * move
    axis, line = contact.line // 4, contact.line % 4
    across = axis[:, None] == torch.arange(2, device=position.device)
    landed = stop + torch.where(across, -move.sign() * noise.abs(), noise)

    wall_x, door_y = layout.unbind(-1)
    jamb = (axis == 1) & (line > 0) & (line < 3)
    in_left, in_right = (stop[:, 0] < wall_x) & ~jamb, (stop[:, 0] > wall_x) & ~jamb
    low_x = torch.where(in_right, wall_x + room.wall_half_width, room.low)
    high_x = torch.where(in_left, wall_x - room.wall_half_width, room.high)
    low_y = torch.where(jamb, door_y - room.door_half_height, room.low)
    high_y = torch.where(jamb, door_y + room.door_half_height, room.high)
    low = torch.stack([low_x, low_y], dim=-1) + clearance
    high = torch.stack([high_x, high_y], dim=-1) - clearance
    return torch.where((contact.fraction <= 1)[:, None], landed.clamp(low, high), position + move)
