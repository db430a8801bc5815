"""Two rooms with a random wall: the published reference world, made on the fly.

The world of eb_jepa (arXiv 2602.03604), after PLDM (arXiv 2502.14819). Facts read from
github.com/facebookresearch/eb_jepa at 966e61e, `eb_jepa/datasets/two_rooms`.

Shape legend: b trajectories, t frames, n states, s = 4 state dimensions (x, y, wall_x, door_y),
h w pixels. Positions and actions are (x, y) in px; a frame is indexed [y, x].
"""

import math
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from jepa_compare import rng
from jepa_compare.data.base import Split, TaskKind, World
from jepa_compare.data.rooms.barriers import Barriers, Room, bounce_off, first_contact
from jepa_compare.data.rooms.geometry import (
    cut,
    door_waypoint,
    require,
    to_device,
)
from jepa_compare.data.rooms.random_wall_frames import frames_of, without_statistics
from jepa_compare.data.rooms.tasks import Tasks, tasks_of
from jepa_compare.data.rooms.walks import draw_walks
from jepa_compare.latents import Batch

# The environment: noise of a bounce and how far off a wall it ends, px.
_BOUNCE_STD = 0.5
_CLEARANCE = 0.3
_PLDM_RADIUS = math.sqrt(2)


class RandomWall(World):
    """A dot in two rooms whose wall and door are elsewhere in every trajectory.

    The wall has `size - 2 * wall_margin` places and the door `size - 2 * door_margin` (25 × 45 as
    published). `held_out_layouts` of them, the same ones for every seed, are kept from training:
    the split `evaluation` and the planning tasks then use these only. In the training data a
    step that meets a wall leaves the dot where it is; in the environment of the tasks the dot
    stops there and bounces off (`step`).

    Two details differ from the published world: trajectories that would start inside the wall
    start beside it, and a bounce ends at least 0.3 px off a wall (there: 0.3 px where the noise
    carries the dot into a wall).
    """

    action_dim = 2
    state_dim = 4
    criteria = ("final", "pldm")

    def __init__(
        self,
        *,
        size: int,
        border: int,
        blob_std: float,
        wall_half_width: int,
        wall_margin: int,
        door_half_height: int,
        door_margin: int,
        door_fraction: float,
        simulated_frames: int,
        max_action_norm: float,
        cut_actions: bool,
        min_same_distance: float,
        success_distance: float,
        episode_steps: int,
        held_out_layouts: int,
    ) -> None:
        require(border >= 1, "border", border, "at least 1 px")
        for name, value in (
            ("blob_std", blob_std),
            ("max_action_norm", max_action_norm),
            ("success_distance", success_distance),
        ):
            require(value > 0, name, value, "above 0 px")
        for name, value in (
            ("wall_half_width", wall_half_width),
            ("door_half_height", door_half_height),
            ("episode_steps", episode_steps),
        ):
            require(value >= 1, name, value, "at least 1")
        narrowest = math.ceil(border + wall_half_width + 4 * blob_std) + 1
        for name, value, least in (
            ("wall_margin", wall_margin, narrowest),
            ("door_margin", door_margin, border + door_half_height + 1),
        ):
            require(
                least <= value < size / 2,
                name,
                value,
                f"at least {least} px (below it no room is left) and below size/2 = {size / 2}",
            )
        require(0 <= door_fraction <= 1, "door_fraction", door_fraction, "between 0 and 1")
        require(min_same_distance >= 0, "min_same_distance", min_same_distance, "at least 0 px")
        require(simulated_frames >= 3, "simulated_frames", simulated_frames, "at least 3")
        walls, doors = size - 2 * wall_margin, size - 2 * door_margin
        require(
            0 <= held_out_layouts < walls * doors,
            "held_out_layouts",
            held_out_layouts,
            f"at least 0 and below the number of layouts, {walls * doors}",
        )
        self.obs_shape = (2, size, size)
        self.max_action_norm = max_action_norm
        self.episode_steps = episode_steps
        self.size = size
        self.room = Room(
            low=float(border),
            high=float(size - 1 - border),
            wall_half_width=float(wall_half_width),
            door_half_height=float(door_half_height),
        )
        self.blob_std = blob_std
        self.door_fraction = door_fraction
        self.simulated_frames = simulated_frames
        self.cut_actions = cut_actions
        self.min_same_distance = min_same_distance
        self.success_distance = success_distance
        layouts = torch.cartesian_prod(
            torch.arange(wall_margin, wall_margin + walls, dtype=torch.float32),
            torch.arange(door_margin, door_margin + doors, dtype=torch.float32),
        )
        order = torch.randperm(len(layouts), generator=rng.generator(0, "held_out_layouts"))
        held_out, kept = layouts[order[:held_out_layouts]], layouts[order[held_out_layouts:]]
        self.layouts: dict[Split, Float[Tensor, "layouts 2"]] = {
            "train": kept,
            "evaluation": held_out if held_out_layouts else kept,
        }

    def sample(
        self,
        generator: torch.Generator,
        batch_size: int,
        frames: int,
        device: torch.device,
        split: Split = "train",
    ) -> Batch:
        """See `World.sample`. Simulates `simulated_frames` and keeps a window of `frames`."""
        longest = self.simulated_frames - 1  # as published, the last frame is never kept
        require(frames <= longest, "frames", frames, f"at most simulated_frames - 1 = {longest}")
        layout = self._draw_layouts(generator, batch_size, split)
        start, actions = draw_walks(
            generator,
            layout,
            self.room,
            steps=longest,
            door_fraction=self.door_fraction,
        )
        first = (torch.rand(batch_size, generator=generator) * (longest - frames + 1)).long()
        window = to_device(first[:, None] + torch.arange(frames), device)  # [b t]
        layout, actions = to_device(layout, device), to_device(actions, device)

        barriers = Barriers.around(layout, self.room)
        position = to_device(start, device)
        positions = [position]
        for t in range(longest - 1):
            contact = first_contact(position, actions[:, t], barriers)
            free = contact.fraction > 1
            position = torch.where(free[:, None], position + actions[:, t], position)
            positions.append(position)

        kept = torch.stack(positions, dim=1).gather(1, window[:, :, None].expand(-1, -1, 2))
        taken = actions.gather(1, window[:, :-1, None].expand(-1, -1, 2))
        state = torch.cat([kept, layout[:, None].expand(-1, frames, -1)], dim=-1)
        return Batch(
            obs=frames_of(kept, layout, self.room, self.size, self.blob_std),
            actions=taken,
            state=state,
        )

    def step(
        self,
        state: Float[Tensor, "n s"],
        action: Float[Tensor, "n a"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "n s"]:
        """See `World.step`. The dot stops where it meets a wall and bounces off it.

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
        """See `World.feasible`. As published, any action is."""
        return cut(action, self.max_action_norm) if self.cut_actions else action

    def render(self, state: Float[Tensor, "n s"]) -> Float[Tensor, "n c h w"]:
        """Dot and walls as bytes; per-frame min-max, then the published mean and std."""
        position, layout = state[:, None, :2], state[:, 2:]
        return frames_of(position, layout, self.room, self.size, self.blob_std)[:, 0]

    def sample_tasks(
        self, generator: torch.Generator, kind: TaskKind, n: int, device: torch.device
    ) -> Tasks:
        """See `World.sample_tasks`. Fewer tasks are a prefix of more.

        All positions are uniform, two blob widths off every wall. `door`: one in each room, the
        published law. `same`: one room, at least `min_same_distance` apart. `detour`: the `door`
        tasks that the straight line fails in one play with noise; with other noise it passes a
        few of them (3 to 4 %).
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
            wall_x=state[:, 2],
            door_y=state[:, 3],
            wall_half_width=self.room.wall_half_width,
            door_half_height=self.room.door_half_height,
            clearance=1.0,
        )
        return cut(waypoint - state[:, :2], self.max_action_norm)

    def success(self, distance: Float[Tensor, "n steps"], criterion: str) -> Bool[Tensor, " n"]:
        """`final`: below `success_distance` at the end (eb_jepa); `pldm`: ever below √2 px."""
        require(criterion in self.criteria, "criterion", criterion, f"one of {self.criteria}")
        if criterion == "final":
            return distance[:, -1] < self.success_distance
        return (distance < _PLDM_RADIUS).any(dim=1)

    def picture(self, state: Float[Tensor, "n s"]) -> Float[Tensor, "n h w"]:
        """The dot white, the walls half as bright."""
        dot, walls = without_statistics(self.render(state)).unbind(1)
        return torch.maximum(dot, walls / 2).clamp(0, 1)

    def walls(self, state: Float[Tensor, " s"]) -> list[tuple[float, float, float, float]]:
        """The two halves of the wall and the four borders."""
        wall_x, door_y = float(state[2]), float(state[3])
        low, high = float(self.room.low), float(self.room.high)
        left, right = wall_x - self.room.wall_half_width, wall_x + self.room.wall_half_width
        return [
            (left, low, right, door_y - self.room.door_half_height),
            (left, door_y + self.room.door_half_height, right, high),
            (low - 1, low - 1, low, high + 1),
            (high, low - 1, high + 1, high + 1),
            (low, low - 1, high, low),
            (low, high, high, high + 1),
        ]

    def _draw_layouts(
        self, generator: torch.Generator, n: int, split: Split
    ) -> Float[Tensor, "n 2"]:
        layouts = self.layouts[split]
        return layouts[(torch.rand(n, generator=generator) * len(layouts)).long()]

    def _draw_pairs(self, generator: torch.Generator, n: int, same_room: bool) -> Tasks:
        """Start and goal, each uniform in its room, two blob widths off the walls."""
        layout = self._draw_layouts(generator, n, "evaluation")
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
