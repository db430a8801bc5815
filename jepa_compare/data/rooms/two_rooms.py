"""Two rooms joined by a door: the default source, made on the fly, with or without distractors.

Shape legend: b trajectories, t frames, n walks, s state dimensions (2 + 4 per distractor), k steps.
Positions and actions are (x, y) in px.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.checks import require, require_above, require_at_least, require_between
from jepa_compare.data.base import Column, Source, Split
from jepa_compare.data.environment import Criterion
from jepa_compare.data.rooms.fixed_wall import FixedWall
from jepa_compare.data.rooms.geometry import to_device
from jepa_compare.data.rooms.policies import disc
from jepa_compare.data.rooms.tasks import RoomTasks
from jepa_compare.latents import Batch

_NEAR_DOOR_X = (0.5, 6.5)  # how far off the wall the starts near the door are, px


class TwoRooms(Source):
    """A dot in a square room with a vertical wall in the middle and a door in the wall's middle.

    It moves as in `FixedWall`. The behaviour policy walks along a random walk of headings; a
    `door_fraction` of its trajectories starts near the door and aims at it. Distractors, if any,
    are dimmer dots that bounce about and mean nothing.
    """

    action_dim = 2
    action_kind = "continuous"
    columns = (Column(name="position", unit="px", kind="continuous"),)
    primary_metric = "eval/success_detour"

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
        require_at_least(24, size=size)
        require_between(0, size / 8, margin=margin)
        require_above(
            0, blob_std=blob_std, max_action_norm=max_action_norm, success_radius=success_radius
        )
        require_at_least(
            0, turn_std=turn_std, min_same_distance=min_same_distance, distractors=distractors
        )
        half = (size - 1) / 2 - margin
        for name, value, most in (
            ("wall_half_width", wall_half_width, half - _NEAR_DOOR_X[1]),
            ("door_half_height", door_half_height, half - 1),
        ):
            require(0 < value <= most, name, value, f"above 0 and at most {most} px")
        fewest = math.floor(max_action_norm / (2 * wall_half_width)) + 1
        allowed = f"at least {fewest}, or the dot jumps the wall"
        require(substeps >= fewest, "substeps", substeps, allowed)
        require_between(0, 1, door_fraction=door_fraction)
        require_at_least(1, episode_steps=episode_steps)
        require_between(0, half, distractor_speed=distractor_speed)
        require_between(0, 1, distractor_brightness=distractor_brightness)
        self.obs_shape = (1, size, size)
        self.turn_std, self.door_fraction = turn_std, door_fraction
        self.environment: FixedWall = FixedWall(  # pyright: ignore[reportIncompatibleVariableOverride]
            size=size,
            margin=margin,
            blob_std=blob_std,
            wall_half_width=wall_half_width,
            door_half_height=door_half_height,
            max_action_norm=max_action_norm,
            substeps=substeps,
            distractors=distractors,
            distractor_speed=distractor_speed,
            distractor_brightness=distractor_brightness,
        )
        within = Criterion(name="ever", when="ever")
        self.task_suite: RoomTasks = RoomTasks(  # pyright: ignore[reportIncompatibleVariableOverride]
            self.environment,
            {within: lambda distance: distance <= success_radius},
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
        """See `Source.sample`. There is one layout, so both splits are the same law."""
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
        render = self.environment.render
        for state, actions in self.simulate(generators, batch_size, frames, device, split):
            obs = render(state.flatten(0, 1)).unflatten(0, state.shape[:2])
            # A copy starts where an allocation does: a product may depend on its input's alignment.
            labels = {"position": state[..., :2].clone()}
            yield Batch(obs=obs, actions=actions.clone(), labels=labels)

    def simulate(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        frames: int,
        device: torch.device,
        split: Split = "train",
    ) -> Iterator[tuple[Float[Tensor, "b t s"], Float[Tensor, "b t-1 2"]]]:
        """States and actions of `batch_size` trajectories for each generator.

        What is together is exactly rounded; sines and the like are taken batch by batch, since
        their last bit depends on where in a row a number is.
        """
        environment = self.environment
        draws = [self._draw_walk(generator, batch_size, frames) for generator in generators]
        u, distractors, turns, sizes = zip(*draws, strict=True)
        position, heading = self._starts(torch.cat(u), batch_size)
        steps = zip(sizes, heading.split(batch_size), turns, strict=True)
        taken = [
            disc(size, h[:, None] + t.cumsum(-1), environment.max_action_norm)
            for size, h, t in steps
        ]
        start = to_device(torch.cat([position, torch.cat(distractors)], dim=-1), device)
        actions = to_device(torch.cat(taken), device)
        moves = environment.feasible(actions) / environment.substeps
        states = [start]
        for t in range(frames - 1):
            states.append(environment.moved(states[-1], moves[:, t]))
        yield from zip(
            torch.stack(states, dim=1).split(batch_size), actions.split(batch_size), strict=True
        )

    def _draw_walk(
        self, generator: torch.Generator, n: int, frames: int
    ) -> tuple[
        Float[Tensor, "n 7"], Float[Tensor, "n columns"], Float[Tensor, "n k"], Float[Tensor, "n k"]
    ]:
        """What is random in `n` walks of k = frames - 1 steps, in the order that a seed stands for:
        uniform numbers for the starts, distractors, turns, uniform numbers for the steps' sizes."""
        return (
            torch.rand(n, 7, generator=generator),
            self.environment.draw_distractors(generator, n),
            self.turn_std * torch.randn(n, frames - 1, generator=generator),
            torch.rand(n, frames - 1, generator=generator),
        )

    def _starts(
        self, u: Float[Tensor, "n 7"], batch_size: int
    ) -> tuple[Float[Tensor, "n 2"], Float[Tensor, " n"]]:
        """Start positions and headings of the behaviour policy."""
        rooms = self.environment
        side = torch.where(u[:, 0] < 0.5, -1.0, 1.0)
        anywhere = rooms.in_room(side, u[:, 1:3])
        nearest, farthest = _NEAR_DOOR_X
        off_wall = nearest + u[:, 3] * (farthest - nearest)
        x = rooms.center + side * (rooms.wall_half_width + off_wall)
        y = rooms.center + (2 * u[:, 4] - 1) * rooms.door_half_height
        # By batches: the last bit of an arc tangent depends on how far the end of its row is.
        way = ((rooms.center - c).split(batch_size) for c in (y, x))
        to_door = torch.cat([torch.atan2(*parts) for parts in zip(*way, strict=True)])
        at_door = u[:, 5] < self.door_fraction
        position = torch.where(at_door[:, None], torch.stack([x, y], dim=-1), anywhere)
        heading = torch.where(at_door, to_door, 2 * math.pi * u[:, 6])
        return position, heading
