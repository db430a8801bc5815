"""The behaviour policy of the random-wall source: random walks, some of them through the door.

Facts read from github.com/facebookresearch/eb_jepa at 966e61e,
`eb_jepa/datasets/two_rooms/{dot,wall}_dataset.py`.

Shape legend: b trajectories, k steps. A layout is (wall_x, door_y) in px.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.data.rooms.barriers import Room
from jepa_compare.data.rooms.inverse_cdf import VonMises, truncated_normal

_NORM = {"mean": 1.0, "std": 0.4, "low": 0.2, "high": 1.8}  # of a step, px
_TURN = VonMises(5.0)  # of the heading between two steps
_CROSSING_STD = 1.4  # of the crossing point about the door's centre, px
_NUDGE = 0.01  # starts keep this off borders and wall, px


def draw_walks(
    generator: torch.Generator,
    layout: Float[Tensor, "b 2"],
    room: Room,
    *,
    steps: int,
    door_fraction: float,
) -> tuple[Float[Tensor, "b 2"], Float[Tensor, "b k 2"]]:
    """Starts and intended steps in the rooms, before any wall is felt.

    Headings make a von Mises random walk. Most walks start anywhere with any heading; a
    `door_fraction` of them is laid, at a random step, through a random point of the door, with a
    heading there within 45° of the wall's normal.
    """
    b = len(layout)
    wall_x, door_y = layout.unbind(-1)
    low, high = room.low + _NUDGE, room.high - _NUDGE
    u = torch.rand(b, 10, generator=generator)
    turns = _TURN.from_uniform(torch.rand(b, steps - 1, generator=generator))
    norms = truncated_normal(torch.rand(b, steps, generator=generator), **_NORM)
    through_door = u[:, 0] < door_fraction

    # The heading is known at one step, the `pivot`, and walks away from it both ways.
    pivot = torch.where(through_door, (u[:, 1] * steps).long(), 0)
    towards = torch.where(u[:, 2] < 0.5, 0.0, math.pi)
    at_pivot = torch.where(
        through_door, towards + math.pi * (u[:, 3] - 0.5) / 2, math.tau * u[:, 3]
    )
    headings = torch.cat([turns.new_zeros(b, 1), turns.cumsum(-1)], dim=-1)
    headings = headings + (at_pivot - headings.gather(1, pivot[:, None])[:, 0])[:, None]
    actions = norms[..., None] * torch.stack([headings.cos(), headings.sin()], dim=-1)

    # A walk through the door is in it after the pivot's step.
    crossing_y = truncated_normal(
        u[:, 5], mean=0.0, std=_CROSSING_STD, low=-room.door_half_height, high=room.door_half_height
    )
    crossing = torch.stack(
        [wall_x + room.wall_half_width * (2 * u[:, 4] - 1), door_y + crossing_y], dim=-1
    )
    way = actions.cumsum(1).gather(1, pivot[:, None, None].expand(-1, -1, 2))[:, 0]
    anywhere = low + u[:, 6:8] * (high - low)
    start = torch.where(through_door[:, None], crossing - way, anywhere)
    start = start.clamp(low, high)

    # A start inside the wall moves beside it, into either room.
    left = wall_x - room.wall_half_width - _NUDGE
    right = wall_x + room.wall_half_width + _NUDGE
    x, y = start.unbind(-1)
    beside_door = (y - door_y).abs() > room.door_half_height - _NUDGE
    in_wall = (x > left) & (x < right) & beside_door
    in_left_room = low + u[:, 9] * (left - low)
    in_right_room = right + u[:, 9] * (high - right)
    beside = torch.where(u[:, 8] < 0.5, in_left_room, in_right_room)
    return torch.stack([torch.where(in_wall, beside, x), y], dim=-1), actions
