"""Two rooms joined by a door: the default world, made on the fly, with or without distractors.

Shape legend: b trajectories, t frames, n states, s state dimensions (2 + 4 per distractor),
h w pixels. Positions and actions are (x, y) in px; a frame is indexed [y, x].
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from jepa_compare.data.base import Split, TaskKind, World
from jepa_compare.data.policies import disc
from jepa_compare.data.rooms import distractor
from jepa_compare.data.rooms.geometry import (
    cut,
    door_waypoint,
    profiles,
    require,
    to_device,
)
from jepa_compare.data.rooms.tasks import Tasks, tasks_of
from jepa_compare.latents import Batch

_WALL_BRIGHTNESS = 0.5
_NEAR_DOOR_X = (0.5, 6.5)  # how far off the wall the starts near the door are, px


class TwoRooms(World):
    """A dot in a square room with a vertical wall in the middle and a door in the wall's middle.

    The dot moves by the action in `substeps` parts; a part that would enter the wall or leave the
    free area is refused along x or y alone, so the dot slides. The behaviour policy walks along a
    random walk of headings; a `door_fraction` of its trajectories starts near the door and aims at
    it. Distractors, if any, are dimmer dots that bounce about and mean nothing.
    """

    action_dim = 2

    def __init__(
        self,
        *,
        size: int,
        margin: float,
        blob_std: float,
        wall_half_width: float,
        door_half_height: float,
        max_action_norm: float,
        substeps: int,
        turn_std: float,
        door_fraction: float,
        min_same_distance: float,
        success_radius: float,
        episode_steps: int,
        distractors: int,
        distractor_speed: float,
        distractor_brightness: float,
    ) -> None:
        require(size >= 24, "size", size, "at least 24 px")
        require(0 <= margin <= size / 8, "margin", margin, f"between 0 and size/8 = {size / 8} px")
        for name, value in (
            ("blob_std", blob_std),
            ("max_action_norm", max_action_norm),
            ("success_radius", success_radius),
        ):
            require(value > 0, name, value, "above 0 px")
        for name, value in (
            ("turn_std", turn_std),
            ("min_same_distance", min_same_distance),
            ("distractors", distractors),
        ):
            require(value >= 0, name, value, "at least 0")
        half = (size - 1) / 2 - margin
        for name, value, most in (
            ("wall_half_width", wall_half_width, half - _NEAR_DOOR_X[1]),
            ("door_half_height", door_half_height, half - 1),
        ):
            require(0 < value <= most, name, value, f"above 0 and at most {most} px")
        fewest = math.floor(max_action_norm / (2 * wall_half_width)) + 1
        require(
            substeps >= fewest,
            "substeps",
            substeps,
            f"at least {fewest}, or the dot jumps the wall",
        )
        require(0 <= door_fraction <= 1, "door_fraction", door_fraction, "between 0 and 1")
        require(episode_steps >= 1, "episode_steps", episode_steps, "at least 1")
        require(
            0 <= distractor_speed <= half,
            "distractor_speed",
            distractor_speed,
            f"between 0 and {half} px per step",
        )
        require(
            0 <= distractor_brightness <= 1,
            "distractor_brightness",
            distractor_brightness,
            "between 0 and 1",
        )
        self.obs_shape = (1, size, size)
        self.state_dim = 2 + distractor.COLUMNS * distractors
        self.max_action_norm = max_action_norm
        self.episode_steps = episode_steps
        self.size = size
        self.center = (size - 1) / 2  # of the room, the wall and the door, along x and y
        self.half = half  # of the free area's side
        self.low, self.high = self.center - half, self.center + half
        self.blob_std = blob_std
        self.wall_half_width = wall_half_width
        self.wall_columns = slice(
            math.floor(self.center - wall_half_width) + 1, math.ceil(self.center + wall_half_width)
        )
        self.door_half_height = door_half_height
        self.substeps = substeps
        self.turn_std = turn_std
        self.door_fraction = door_fraction
        self.min_same_distance = min_same_distance
        self.success_radius = success_radius
        self.distractors = distractors
        self.distractor_speed = distractor_speed
        self.distractor_brightness = distractor_brightness

    def sample(
        self,
        generator: torch.Generator,
        batch_size: int,
        frames: int,
        device: torch.device,
        split: Split = "train",
    ) -> Batch:
        """See `World.sample`. This world has one layout, so both splits are the same law."""
        return next(self.sample_each([generator], batch_size, frames, device, split))

    def sample_each(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        frames: int,
        device: torch.device,
        split: Split = "train",
    ) -> Iterator[Batch]:
        """See `World.sample_each`. One simulation; each batch is rendered when it is asked for.

        What is together is exactly rounded; sines and the like are taken batch by batch, since
        their last bit depends on where in a row a number is.
        """
        draws = [self._draw_walk(generator, batch_size, frames) for generator in generators]
        u, distractors, turns, sizes = zip(*draws, strict=True)
        position, heading = self._starts(torch.cat(u), batch_size)
        steps = zip(sizes, heading.split(batch_size), turns, strict=True)
        taken = [
            disc(size, h[:, None] + t.cumsum(-1), self.max_action_norm) for size, h, t in steps
        ]
        start = to_device(torch.cat([position, torch.cat(distractors)], dim=-1), device)
        actions = to_device(torch.cat(taken), device)
        moves = self.feasible(actions) / self.substeps
        states = [start]
        for t in range(frames - 1):
            states.append(self._moved(states[-1], moves[:, t]))
        together = torch.stack(states, dim=1).split(batch_size), actions.split(batch_size)
        for state, taken in zip(*together, strict=True):  # [b t s], [b t-1 a]
            obs = self.render(state.flatten(0, 1)).unflatten(0, state.shape[:2])
            # A copy starts where an allocation does: a product may depend on its input's alignment.
            yield Batch(obs=obs, actions=taken.clone(), state=state.clone())

    def step(
        self,
        state: Float[Tensor, "n s"],
        action: Float[Tensor, "n a"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "n s"]:
        """See `World.step`. This environment has no noise."""
        return self._moved(state, self.feasible(action) / self.substeps)

    def _moved(
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
        """See `World.feasible`."""
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

    def sample_tasks(
        self, generator: torch.Generator, kind: TaskKind, n: int, device: torch.device
    ) -> Tasks:
        """See `World.sample_tasks`. Fewer tasks are a prefix of more.

        `same`: one room, at least `min_same_distance` apart. `door`: one in each room. `detour`:
        the `door` tasks that the straight line fails in `episode_steps` steps of this world.
        """
        return tasks_of(
            self,
            generator,
            kind,
            n,
            device,
            draw=partial(self._draw_pairs, generator),
            min_same_distance=self.min_same_distance,
        )

    def door_script(
        self, state: Float[Tensor, "n s"], goal: Float[Tensor, "n s"]
    ) -> Float[Tensor, "n a"]:
        """Walk to the door if the goal is in the other room, through it, then to the goal."""
        waypoint = door_waypoint(
            state[:, :2],
            goal[:, :2],
            wall_x=self.center,
            door_y=self.center,
            wall_half_width=self.wall_half_width,
            door_half_height=self.door_half_height,
            clearance=0.5,
        )
        return cut(waypoint - state[:, :2], self.max_action_norm)

    def success(self, distance: Float[Tensor, "n steps"], criterion: str) -> Bool[Tensor, " n"]:
        """`ever`: within `success_radius` of the goal at any time."""
        require(criterion in self.criteria, "criterion", criterion, f"one of {self.criteria}")
        return (distance <= self.success_radius).any(dim=1)

    def picture(self, state: Float[Tensor, "n s"]) -> Float[Tensor, "n h w"]:
        """See `World.picture`."""
        return self.render(state)[:, 0]

    def walls(self, state: Float[Tensor, " s"]) -> list[tuple[float, float, float, float]]:
        """The two halves of the wall."""
        left, right = self.center - self.wall_half_width, self.center + self.wall_half_width
        below, above = self.center - self.door_half_height, self.center + self.door_half_height
        return [(left, 0.0, right, below), (left, above, right, self.size - 1.0)]

    def _split_distractors(self, state: Float[Tensor, "n s"]) -> Float[Tensor, "n k 4"]:
        return state[:, 2:].unflatten(1, (self.distractors, distractor.COLUMNS))

    def _draw_distractors(self, generator: torch.Generator, n: int) -> Float[Tensor, "n columns"]:
        if not self.distractors:
            return torch.empty(n, 0)
        u = torch.rand(n, self.distractors, 3, generator=generator)
        return distractor.from_uniform(u, self.low, self.high, self.distractor_speed).flatten(1)

    def _in_room(self, side: Tensor, u: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        """Positions, uniform in the room to the left (side -1) or right (1) if `u` is in [0, 1)."""
        nearest = self.wall_half_width + u[:, 0] * (self.high - self.center - self.wall_half_width)
        y = self.low + u[:, 1] * (self.high - self.low)
        return torch.stack([self.center + side * nearest, y], dim=-1)

    def _draw_walk(
        self, generator: torch.Generator, n: int, frames: int
    ) -> tuple[
        Float[Tensor, "n 7"], Float[Tensor, "n columns"], Float[Tensor, "n k"], Float[Tensor, "n k"]
    ]:
        """What is random in `n` walks of k = frames - 1 steps, in the order that a seed stands for:
        uniform numbers for the starts, distractors, turns, uniform numbers for the steps' sizes."""
        return (
            torch.rand(n, 7, generator=generator),
            self._draw_distractors(generator, n),
            self.turn_std * torch.randn(n, frames - 1, generator=generator),
            torch.rand(n, frames - 1, generator=generator),
        )

    def _starts(
        self, u: Float[Tensor, "n 7"], batch_size: int
    ) -> tuple[Float[Tensor, "n 2"], Float[Tensor, " n"]]:
        """Start positions and headings of the behaviour policy."""
        side = torch.where(u[:, 0] < 0.5, -1.0, 1.0)
        anywhere = self._in_room(side, u[:, 1:3])
        nearest, farthest = _NEAR_DOOR_X
        off_wall = nearest + u[:, 3] * (farthest - nearest)
        x = self.center + side * (self.wall_half_width + off_wall)
        y = self.center + (2 * u[:, 4] - 1) * self.door_half_height
        # By batches: the last bit of an arc tangent depends on how far the end of its row is.
        way = ((self.center - c).split(batch_size) for c in (y, x))
        to_door = torch.cat([torch.atan2(*parts) for parts in zip(*way, strict=True)])
        at_door = u[:, 5] < self.door_fraction
        position = torch.where(at_door[:, None], torch.stack([x, y], dim=-1), anywhere)
        heading = torch.where(at_door, to_door, 2 * math.pi * u[:, 6])
        return position, heading

    def _draw_pairs(self, generator: torch.Generator, n: int, same_room: bool) -> Tasks:
        """Start and goal, each uniform in its room."""
        u = torch.rand(n, 5, generator=generator)
        side = torch.where(u[:, 0] < 0.5, -1.0, 1.0)
        start = self._in_room(side, u[:, 1:3])
        goal = self._in_room(side if same_room else -side, u[:, 3:5])
        return (
            torch.cat([start, self._draw_distractors(generator, n)], dim=-1),
            torch.cat([goal, self._draw_distractors(generator, n)], dim=-1),
        )
