"""The contract of a world: a source of trajectories that can also be acted in.

A world is vectorised: every method works on a whole batch, on the device it is given. A full
state has s columns of which the first `position_dim` are the agent's position, the quantity that
probes regress and planning tasks are scored in; the other columns (a distractor's position, a
wall's layout) travel with it, so that `step` and `render` are functions of the state alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from jepa_compare.latents import Batch

Split = Literal["train", "evaluation"]
"""`evaluation` differs from `train` only in worlds that hold out layouts."""
TaskKind = str
"""What a planning task asks for: `same` (no wall between start and goal), `door` (through the
door), `detour` (door tasks that walking straight at the goal fails)."""


class World(ABC):
    """Built as `Target(**the YAML's arguments)`; raises `ValueError` for one out of range."""

    obs_shape: tuple[int, int, int]
    """(channels, height, width)"""
    action_dim: int
    state_dim: int
    position_dim: ClassVar[int] = 2
    unit: ClassVar[str] = "px"
    """Unit of positions, of errors decoded to positions, and of actions."""
    max_action_norm: float
    episode_steps: int
    """Environment steps within which `detour` tasks are those that the straight line fails; the
    evaluation should give as many."""
    task_kinds: ClassVar[tuple[TaskKind, ...]] = ("same", "door", "detour")

    @abstractmethod
    def sample(
        self,
        generator: torch.Generator,
        batch_size: int,
        frames: int,
        device: torch.device,
        split: Split = "train",
    ) -> Batch:
        """`batch_size` trajectories of `frames` frames under the world's behaviour policy.

        Random numbers are drawn from the CPU `generator` in one fixed order and copied to the
        device; dynamics and rendering run there. The result is the same on every device up to
        floating-point rounding. obs are float32 as the encoder gets them (already normalised).
        """

    def sample_each(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        frames: int,
        device: torch.device,
        split: Split = "train",
    ) -> Iterator[Batch]:
        """To the bit the batch that `sample` makes of each generator, in turn.

        A world whose small batches cost launches more than work simulates all of them at once.
        """
        for generator in generators:
            yield self.sample(generator, batch_size, frames, device, split)

    @abstractmethod
    def step(
        self,
        state: Float[Tensor, "n s"],
        action: Float[Tensor, "n a"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "n s"]:
        """The environment of the planning tasks, which moves by the `feasible` action.
        Deterministic unless the world's published environment is noisy; then noise comes from
        `generator`, and `None` gives the noise-free dynamics (the planner's oracle)."""

    @abstractmethod
    def feasible(self, action: Float[Tensor, "*n a"]) -> Float[Tensor, "*n a"]:
        """What `step` makes of actions: longer ones are cut to `max_action_norm`, unless the
        published environment moves by any. A planner imagines these, so that no model is asked
        about an action that its data cannot hold and the world does not do."""

    @abstractmethod
    def render(self, state: Float[Tensor, "n s"]) -> Float[Tensor, "n c h w"]:
        """Frames of full states, float32, as `sample` makes them."""

    @abstractmethod
    def sample_tasks(
        self, generator: torch.Generator, kind: TaskKind, n: int, device: torch.device
    ) -> tuple[Float[Tensor, "n s"], Float[Tensor, "n s"]]:
        """`n` pairs (start state, goal state) of one kind. Fewer tasks are a prefix of more only
        if drawn so; callers draw once. Raises ValueError for a kind the world does not have."""

    @abstractmethod
    def door_script(
        self, state: Float[Tensor, "n s"], goal: Float[Tensor, "n s"]
    ) -> Float[Tensor, "n a"]:
        """The scripted policy that knows the room: the ceiling of the planning tasks."""

    @abstractmethod
    def success(self, distance: Float[Tensor, "n steps"], criterion: str) -> Bool[Tensor, " n"]:
        """Success per task, given the distance to the goal after every environment step (index 0
        is before the first). `criterion` is one of `criteria`."""

    criteria: ClassVar[tuple[str, ...]] = ("ever",)
    """Success criteria, the first is the primary one."""

    @abstractmethod
    def picture(self, state: Float[Tensor, "n s"]) -> Float[Tensor, "n h w"]:
        """Grey-scale frames in [0, 1] for people to look at (figures, GIFs)."""

    def walls(self, state: Float[Tensor, " s"]) -> list[tuple[float, float, float, float]]:
        """Rectangles (x0, y0, x1, y1) in position units that block the agent, for drawing paths."""
        return []
