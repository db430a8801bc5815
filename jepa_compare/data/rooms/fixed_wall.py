"""The default environment: two rooms joined by a door, with or without distractors.

Shape legend: n states, s state dimensions (2 + 4 per distractor), a = 2 action dimensions, h w
pixels. Positions and actions are (x, y) in px; a frame is indexed [y, x].
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.data.environment import Rectangle
from jepa_compare.data.rooms import distractor
from jepa_compare.data.rooms.geometry import cut, door_waypoint, profiles, walking_distance
from jepa_compare.data.rooms.tasks import TwoRoomsEnvironment

_WALL_BRIGHTNESS = 0.5


@dataclass(kw_only=True, eq=False)
class FixedWall(TwoRoomsEnvironment):
    """A square room with a vertical wall in the middle and a door in the wall's middle.

    The dot moves by the action in `substeps` parts; a part that would enter the wall or leave the
    free area is refused along x or y alone, so the dot slides. There is no noise.
    """

    size: int
    margin: float
    blob_std: float
    wall_half_width: float
    door_half_height: float
    max_action_norm: float
    substeps: int
    distractors: int
    distractor_speed: float
    distractor_brightness: float

    def __post_init__(self) -> None:
        self.center = (self.size - 1) / 2  # of the room, the wall and the door, along x and y
        self.half = (self.size - 1) / 2 - self.margin  # of the free area's side
        self.low, self.high = self.center - self.half, self.center + self.half
        self.wall_columns = slice(
            math.floor(self.center - self.wall_half_width) + 1,
            math.ceil(self.center + self.wall_half_width),
        )

    def step(
        self,
        state: Float[Tensor, "n s"],
        action: Float[Tensor, "n a"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "n s"]:
        """See `Environment.step`."""
        return self.moved(state, self.feasible(action) / self.substeps)

    def moved(
        self, state: Float[Tensor, "n s"], move: Float[Tensor, "n 2"]
    ) -> Float[Tensor, "n s"]:
        """`substeps` moves later."""
        dx, dy = move.unbind(-1)
        # From the room's centre, which is the wall's and the door's too.
        x, y = (state[:, :2] - self.center).unbind(-1)
        across, beside_door = x.abs() < self.wall_half_width, y.abs() > self.door_half_height
        for _ in range(self.substeps):
            moved = (x + dx).clamp_(-self.half, self.half)
            moved_across = moved.abs() < self.wall_half_width
            refused = moved_across & beside_door
            x, across = torch.where(refused, x, moved), torch.where(refused, across, moved_across)
            moved = (y + dy).clamp_(-self.half, self.half)
            moved_beside = moved.abs() > self.door_half_height
            refused = across & moved_beside
            y = torch.where(refused, y, moved)
            beside_door = torch.where(refused, beside_door, moved_beside)
        position = torch.stack([x, y], dim=-1) + self.center
        if not self.distractors:
            return position
        moved = distractor.advance(self._split_distractors(state), self.low, self.high)
        return torch.cat([position, moved.flatten(1)], dim=-1)

    def feasible(self, action: Float[Tensor, "*n a"]) -> Float[Tensor, "*n a"]:
        """See `Environment.feasible`."""
        return cut(action, self.max_action_norm)

    def render(self, state: Float[Tensor, "n s"]) -> Float[Tensor, "n c h w"]:
        """The brightest of agent (1), distractors and wall (½) at each pixel. No normalisation."""
        along_x, along_y = profiles(state[:, :2], self.size, self.blob_std)
        frame = along_y[:, :, None] * along_x[:, None, :]
        pixel = torch.arange(self.size, device=state.device, dtype=state.dtype)
        beside = (pixel - self.center).abs() > self.door_half_height
        # In place and in its own columns: the frames are a thousand times the work of the states.
        frame[:, :, self.wall_columns].clamp_(min=(beside * _WALL_BRIGHTNESS)[:, None])
        for k in range(self.distractors):
            position = self._split_distractors(state)[:, k, :2]
            along_x, along_y = profiles(position, self.size, self.blob_std)
            along_x = along_x * self.distractor_brightness
            frame.clamp_(min=along_y[:, :, None] * along_x[:, None, :])
        return frame[:, None]

    def draw_pairs(
        self, generator: torch.Generator, n: int, same_room: bool
    ) -> tuple[Float[Tensor, "n s"], Float[Tensor, "n s"]]:
        """See `TwoRoomsEnvironment.draw_pairs`."""
        u = torch.rand(n, 5, generator=generator)
        side = torch.where(u[:, 0] < 0.5, -1.0, 1.0)
        start = self.in_room(side, u[:, 1:3])
        goal = self.in_room(side if same_room else -side, u[:, 3:5])
        return (
            torch.cat([start, self.draw_distractors(generator, n)], dim=-1),
            torch.cat([goal, self.draw_distractors(generator, n)], dim=-1),
        )

    def in_room(self, side: Tensor, u: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        """Positions, uniform in the room to the left (side -1) or right (1) if `u` is in [0, 1)."""
        nearest = self.wall_half_width + u[:, 0] * (self.high - self.center - self.wall_half_width)
        y = self.low + u[:, 1] * (self.high - self.low)
        return torch.stack([self.center + side * nearest, y], dim=-1)

    def draw_distractors(self, generator: torch.Generator, n: int) -> Float[Tensor, "n columns"]:
        """Their columns of n states; none without distractors."""
        if not self.distractors:
            return torch.empty(n, 0)
        u = torch.rand(n, self.distractors, 3, generator=generator)
        return distractor.from_uniform(u, self.low, self.high, self.distractor_speed).flatten(1)

    def waypoint(
        self, state: Float[Tensor, "n s"], goal: Float[Tensor, "n s"]
    ) -> Float[Tensor, "n 2"]:
        """See `TwoRoomsEnvironment.waypoint`."""
        return door_waypoint(
            state[:, :2],
            goal[:, :2],
            wall_x=self.center,
            door_y=self.center,
            wall_half_width=self.wall_half_width,
            door_half_height=self.door_half_height,
            clearance=0.5,
        )

    def walking_distance(
        self, state: Float[Tensor, "n s"], goal: Float[Tensor, "n s"]
    ) -> Float[Tensor, " n"]:
        """See `TaskSuite.walking_distance`."""
        return walking_distance(
            state[:, :2],
            goal[:, :2],
            wall_x=self.center,
            door_y=self.center,
            wall_half_width=self.wall_half_width,
            door_half_height=self.door_half_height,
        )

    def obstacles(self, state: Float[Tensor, "n s"]) -> list[list[Rectangle]]:
        """The two halves of the wall."""
        left, right = self.center - self.wall_half_width, self.center + self.wall_half_width
        below, above = self.center - self.door_half_height, self.center + self.door_half_height
        walls = [(left, 0.0, right, below), (left, above, right, self.size - 1.0)]
        return [walls] * len(state)

    def _split_distractors(self, state: Float[Tensor, "n s"]) -> Float[Tensor, "n k 4"]:
        return state[:, 2:].unflatten(1, (self.distractors, distractor.COLUMNS))
