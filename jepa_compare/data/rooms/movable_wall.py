"""The environment of the published reference source: two rooms, their wall and door anywhere.

Facts read from github.com/facebookresearch/eb_jepa at 966e61e, `eb_jepa/datasets/two_rooms`.

Shape legend: n states, s = 4 state dimensions (x, y, wall_x, door_y), a = 2 action dimensions,
h w pixels. Positions and actions are (x, y) in px; a frame is indexed [y, x].
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.data.environment import Rectangle
from jepa_compare.data.rooms.barriers import Room, bounce_off
from jepa_compare.data.rooms.geometry import cut, door_waypoint, to_device, walking_distance
from jepa_compare.data.rooms.random_wall_frames import frames_of
from jepa_compare.data.rooms.tasks import TwoRoomsEnvironment

# Noise of a bounce and how far off a wall it ends, px.
_BOUNCE_STD = 0.5
_CLEARANCE = 0.3


@dataclass(kw_only=True, eq=False)
class MovableWall(TwoRoomsEnvironment):
    """The dot stops where it meets a wall and bounces off it. `layouts` (wall_x, door_y) are those
    that tasks are drawn in.

    A bounce ends at least 0.3 px off a wall (as published: 0.3 px where the noise carries the dot
    into a wall).
    """

    size: int
    room: Room
    blob_std: float
    max_action_norm: float
    cut_actions: bool
    layouts: Float[Tensor, "layouts 2"]

    def step(
        self,
        state: Float[Tensor, "n s"],
        action: Float[Tensor, "n a"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "n s"]:
        """See `Environment.step`.

        The bounce is N(0, 0.5²) px along the wall and its absolute value away from the wall,
        nothing without a `generator`, and ends 0.3 px or more inside the room. As published,
        actions are cut only if `cut_actions`.
        """
        action = self.feasible(action)
        position, layout = state[:, :2], state[:, 2:]
        if generator is None:
            noise = torch.zeros_like(position)
        else:
            drawn = torch.randn(len(position), 2, generator=generator)
            noise = _BOUNCE_STD * to_device(drawn, state.device)
        moved = bounce_off(position, action, noise, layout, self.room, _CLEARANCE)
        return torch.cat([moved, layout], dim=-1)

    def feasible(self, action: Float[Tensor, "*n a"]) -> Float[Tensor, "*n a"]:
        """See `Environment.feasible`. As published, any action is."""
        return cut(action, self.max_action_norm) if self.cut_actions else action

    def render(self, state: Float[Tensor, "n s"]) -> Float[Tensor, "n c h w"]:
        """Dot and walls as bytes; per-frame min-max, then the published mean and std."""
        position, layout = state[:, None, :2], state[:, 2:]
        return frames_of(position, layout, self.room, self.size, self.blob_std)[:, 0]

    def draw_pairs(
        self, generator: torch.Generator, n: int, same_room: bool
    ) -> tuple[Float[Tensor, "n s"], Float[Tensor, "n s"]]:
        """See `TwoRoomsEnvironment.draw_pairs`. Two blob widths off every wall, as published for
        `door`. With other noise the straight line passes 3 to 4 % of the detours."""
        layout = draw_layouts(self.layouts, generator, n)
        u = torch.rand(n, 5, generator=generator)
        off = 2 * self.blob_std
        left_high = layout[:, 0] - self.room.wall_half_width - off
        right_low = layout[:, 0] + self.room.wall_half_width + off
        low, high = self.room.low + off, self.room.high - off

        def in_room(left: Tensor, u: Tensor) -> Tensor:
            in_left = low + u[:, 0] * (left_high - low)
            in_right = right_low + u[:, 0] * (high - right_low)
            y = low + u[:, 1] * (high - low)
            return torch.cat(
                [torch.stack([torch.where(left, in_left, in_right), y], -1), layout], -1
            )

        left = u[:, 0] < 0.5
        return in_room(left, u[:, 1:3]), in_room(left if same_room else ~left, u[:, 3:5])

    def waypoint(
        self, state: Float[Tensor, "n s"], goal: Float[Tensor, "n s"]
    ) -> Float[Tensor, "n 2"]:
        """See `TwoRoomsEnvironment.waypoint`."""
        return door_waypoint(
            state[:, :2],
            goal[:, :2],
            wall_x=state[:, 2],
            door_y=state[:, 3],
            wall_half_width=self.room.wall_half_width,
            door_half_height=self.room.door_half_height,
            clearance=1.0,
        )

    def walking_distance(
        self, state: Float[Tensor, "n s"], goal: Float[Tensor, "n s"]
    ) -> Float[Tensor, " n"]:
        """See `TaskSuite.walking_distance`."""
        return walking_distance(
            state[:, :2],
            goal[:, :2],
            wall_x=state[:, 2],
            door_y=state[:, 3],
            wall_half_width=self.room.wall_half_width,
            door_half_height=self.room.door_half_height,
        )

    def obstacles(self, state: Float[Tensor, "n s"]) -> list[list[Rectangle]]:
        """The two halves of the wall and the four borders."""
        return [self._walls(wall_x, door_y) for wall_x, door_y in state[:, 2:].tolist()]

    def _walls(self, wall_x: float, door_y: float) -> list[Rectangle]:
        low, high = self.room.low, self.room.high
        left, right = wall_x - self.room.wall_half_width, wall_x + self.room.wall_half_width
        return [
            (left, low, right, door_y - self.room.door_half_height),
            (left, door_y + self.room.door_half_height, right, high),
            (low - 1, low - 1, low, high + 1),
            (high, low - 1, high + 1, high + 1),
            (low, low - 1, high, low),
            (low, high, high, high + 1),
        ]


def draw_layouts(
    layouts: Float[Tensor, "layouts 2"], generator: torch.Generator, n: int
) -> Float[Tensor, "n 2"]:
    """`n` of them, with replacement."""
    return layouts[(torch.rand(n, generator=generator) * len(layouts)).long()]
