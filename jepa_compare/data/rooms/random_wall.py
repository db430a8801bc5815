"""Two rooms with a random wall: the published reference source, made on the fly.

The world of eb_jepa (arXiv 2602.03604), after PLDM (arXiv 2502.14819). Facts read from
github.com/facebookresearch/eb_jepa at 966e61e, `eb_jepa/datasets/two_rooms`.

Shape legend: b trajectories, t frames, s = 4 state dimensions (x, y, wall_x, door_y). Positions and
actions are (x, y) in px.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from jepa_compare import rng
from jepa_compare.checks import require, require_above, require_at_least, require_between
from jepa_compare.data.base import Column, Source, Split
from jepa_compare.data.environment import Criterion
from jepa_compare.data.rooms.barriers import Barriers, Room, first_contact
from jepa_compare.data.rooms.geometry import to_device
from jepa_compare.data.rooms.movable_wall import MovableWall, draw_layouts
from jepa_compare.data.rooms.random_wall_frames import frames_of, without_statistics
from jepa_compare.data.rooms.tasks import RoomTasks
from jepa_compare.data.rooms.walks import draw_walks
from jepa_compare.latents import Batch

_PLDM_RADIUS = math.sqrt(2)


class RandomWall(Source):
    """A dot in two rooms whose wall and door are elsewhere in every trajectory.

    The wall has `size - 2 * wall_margin` places and the door `size - 2 * door_margin` (25 × 45 as
    published). `held_out_layouts` of them, the same ones for every seed, are kept from training:
    the split `evaluation` and the planning tasks then use these only. In the training data a
    step that meets a wall leaves the dot where it is; in the environment of the tasks the dot
    stops there and bounces off (`MovableWall`). A task is solved within `success_distance` of the
    goal at the end (eb_jepa), by PLDM's criterion ever within √2 px.

    A detail that differs from the published world: trajectories that would start inside the wall
    start beside it.
    """

    action_dim = 2
    action_kind = "continuous"
    columns = (Column(name="position", unit="px", kind="continuous"),)
    primary_metric = "eval/success_detour"

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
        require_at_least(
            1,
            border=border,
            wall_half_width=wall_half_width,
            door_half_height=door_half_height,
            episode_steps=episode_steps,
        )
        require_above(
            0, blob_std=blob_std, max_action_norm=max_action_norm, success_distance=success_distance
        )
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
        require_between(0, 1, door_fraction=door_fraction)
        require_at_least(0, min_same_distance=min_same_distance)
        require_at_least(3, simulated_frames=simulated_frames)
        walls, doors = size - 2 * wall_margin, size - 2 * door_margin
        require(
            0 <= held_out_layouts < walls * doors,
            "held_out_layouts",
            held_out_layouts,
            f"at least 0 and below the number of layouts, {walls * doors}",
        )
        self.obs_shape = (2, size, size)
        self.size, self.blob_std = size, blob_std
        self.room = Room(
            low=float(border),
            high=float(size - 1 - border),
            wall_half_width=float(wall_half_width),
            door_half_height=float(door_half_height),
        )
        self.door_fraction, self.simulated_frames = door_fraction, simulated_frames
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
        self.environment: MovableWall = MovableWall(  # pyright: ignore[reportIncompatibleVariableOverride]
            size=size,
            room=self.room,
            blob_std=blob_std,
            max_action_norm=max_action_norm,
            cut_actions=cut_actions,
            layouts=self.layouts["evaluation"],
        )
        self.task_suite: RoomTasks = RoomTasks(  # pyright: ignore[reportIncompatibleVariableOverride]
            self.environment,
            {
                Criterion(name="final", when="final"): lambda distance: distance < success_distance,
                Criterion(name="pldm", when="ever"): lambda distance: distance < _PLDM_RADIUS,
            },
            min_same_distance=min_same_distance,
            steps=episode_steps,
        )

    def sample(
        self,
        generator: torch.Generator,
        batch_size: int,
        frames: int,
        device: torch.device,
        split: Split = "train",
    ) -> Batch:
        """See `Source.sample`."""
        return next(self.sample_each([generator], batch_size, frames, device, split))

    def sample_each(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        frames: int,
        device: torch.device,
        split: Split = "train",
    ) -> Iterator[Batch]:
        """See `Source.sample_each`. One simulation; each batch is rendered when it is asked for."""
        for state, actions in self.simulate(generators, batch_size, frames, device, split):
            # Copies start where an allocation does: a product may depend on its input's alignment.
            position, layout = state[..., :2].contiguous(), state[:, 0, 2:].contiguous()
            yield Batch(
                obs=frames_of(position, layout, self.room, self.size, self.blob_std),
                actions=actions.clone(),
                labels={"position": position},
            )

    def simulate(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        frames: int,
        device: torch.device,
        split: Split = "train",
    ) -> Iterator[tuple[Float[Tensor, "b t s"], Float[Tensor, "b t-1 2"]]]:
        """States and actions of `batch_size` trajectories for each generator: windows of `frames`
        out of `simulated_frames`.

        What is together is exactly rounded; the walks, with sines and the like, are drawn batch by
        batch, since the last bit of those depends on where in a row a number is.
        """
        longest = self.simulated_frames - 1  # as published, the last frame is never kept
        require(frames <= longest, "frames", frames, f"at most simulated_frames - 1 = {longest}")
        draws = [self._draw(generator, batch_size, frames, split) for generator in generators]
        layout, position, actions, window = (
            to_device(torch.cat(parts), device) for parts in zip(*draws, strict=True)
        )
        barriers = Barriers.around(layout, self.room)
        positions = [position]
        for t in range(longest - 1):
            contact = first_contact(position, actions[:, t], barriers)
            free = contact.fraction > 1
            position = torch.where(free[:, None], position + actions[:, t], position)
            positions.append(position)

        kept = torch.stack(positions, dim=1).gather(1, window[:, :, None].expand(-1, -1, 2))
        taken = actions.gather(1, window[:, :-1, None].expand(-1, -1, 2))
        state = torch.cat([kept, layout[:, None].expand(-1, frames, -1)], dim=-1)
        yield from zip(state.split(batch_size), taken.split(batch_size), strict=True)

    def _draw(
        self, generator: torch.Generator, n: int, frames: int, split: Split
    ) -> tuple[
        Float[Tensor, "n 2"], Float[Tensor, "n 2"], Float[Tensor, "n k 2"], Int[Tensor, "n t"]
    ]:
        """What is random in `n` trajectories, in the order that a seed stands for: layouts, starts
        and intended steps, and the indices of the frames that are kept."""
        longest = self.simulated_frames - 1
        layout = draw_layouts(self.layouts[split], generator, n)
        start, actions = draw_walks(
            generator, layout, self.room, steps=longest, door_fraction=self.door_fraction
        )
        first = (torch.rand(n, generator=generator) * (longest - frames + 1)).long()
        return layout, start, actions, first[:, None] + torch.arange(frames)

    def picture(self, obs: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w"]:
        """The dot white, the walls half as bright."""
        dot, walls = without_statistics(obs).unbind(1)
        return torch.maximum(dot, walls / 2).clamp(0, 1)
