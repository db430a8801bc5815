"""The contracts of an environment that one can act in, and of the planning tasks in it.

Both are vectorised: every method works on a whole batch. A state is opaque: only the environment
and its task suite look inside, so that a simulator need not be a function of a vector.

Shape legend: n tasks or states, a action dimensions, c h w a frame.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from jepa_compare.system.stall import progressed

State = Any
"""A handle to n states of a simulator."""
Policy = Callable[[State, State], Tensor]
"""(states, goals) -> actions [n a]"""
Rectangle = tuple[float, float, float, float]
"""x0, y0, x1, y1"""


class Environment(ABC):
    """Where planning tasks are played."""

    action_dim: int

    @abstractmethod
    def reset(self, start: Any) -> State:
        """The states that a task suite's starts, or goals, describe."""

    @abstractmethod
    def step(
        self, state: State, action: Float[Tensor, "n a"], generator: torch.Generator | None = None
    ) -> State:
        """The states after the `feasible` actions. Deterministic unless the published environment
        is noisy; then noise comes from `generator`, and `None` gives the noise-free dynamics."""

    @abstractmethod
    def feasible(self, action: Float[Tensor, "*n a"]) -> Float[Tensor, "*n a"]:
        """What `step` makes of actions, for instance cut to the longest that it does. A planner
        imagines these, so that no model is asked about what the environment does not do."""

    @abstractmethod
    def render(self, state: State) -> Float[Tensor, "n c h w"]:
        """Observations of the states, float32, as the source's batches have them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Criterion:
    """A sense in which a task is solved."""

    name: str
    when: Literal["ever", "final"]
    """Whether the goal has to be reached at any time, or after the last step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tasks:
    """Starts and goals, as `Environment.reset` takes them."""

    start: Any
    goal: Any


class TaskSuite(ABC):
    """Planning tasks in an environment, when they are solved, and who else solves them."""

    environment: Environment
    kinds: tuple[str, ...]
    """What a task may ask for: "door" (through the door)."""
    criteria: tuple[Criterion, ...]
    """The first is the primary one."""
    distance_unit: str
    policies: tuple[str, ...]
    """Names of the reference policies: those that `policy` makes, and for environments whose states
    are tensors [n s] the evaluation's own planner on the true dynamics, "true_dynamics_straight",
    and where `walking_distance` is known "true_dynamics_geodesic"."""

    @abstractmethod
    def sample(self, generator: torch.Generator, kind: str, n: int, device: torch.device) -> Tasks:
        """`n` tasks of one kind. Fewer tasks are a prefix of more only if drawn so; callers draw
        once. Raises ValueError for a kind that the suite does not have or cannot draw."""

    @abstractmethod
    def distance(self, state: State, goal: State) -> Float[Tensor, " n"]:
        """How far each state is from its goal, in `distance_unit`."""

    def walking_distance(self, state: State, goal: State) -> Float[Tensor, " n"]:
        """Length of the shortest way that can be gone from each state to its goal, in
        `distance_unit`. Optional: who names "true_dynamics_geodesic" among `policies` has it."""
        raise NotImplementedError(f"{type(self).__name__} has no walking_distance")

    @abstractmethod
    def reached(self, state: State, goal: State, criterion: str) -> Bool[Tensor, " n"]:
        """Whether each state is at its goal in the sense of a criterion, whenever that counts.
        Raises ValueError for a criterion that is none of `criteria`."""

    @property
    def decided_when_reached(self) -> bool:
        """Whether nothing that follows can change whether a task is solved."""
        return all(criterion.when == "ever" for criterion in self.criteria)

    def solved(self, state: State, goal: State) -> Bool[Tensor, " n"]:
        """Whether each state is at its goal in the sense of every criterion."""
        reached = [self.reached(state, goal, criterion.name) for criterion in self.criteria]
        return torch.stack(reached).all(dim=0)

    @abstractmethod
    def policy(self, name: str, generator: torch.Generator) -> Policy:
        """A reference policy by its name; fresh, for it may have memory. Its random numbers come
        from `generator`."""

    @abstractmethod
    def position(self, state: State) -> Float[Tensor, "n 2"]:
        """Where a picture shows each state, (x, y) in pixels of a frame."""

    @abstractmethod
    def obstacles(self, state: State) -> list[list[Rectangle]]:
        """For each state, what bars the way there, in pixels of a frame, for drawing paths."""


def play(
    environment: Environment,
    policy: Policy,
    state: State,
    goal: State,
    steps: int,
    generator: torch.Generator | None,
) -> Iterator[State]:
    """The states before the first and after each step of `policy`.

    `generator` is the source of the environment's noise; None plays without noise.
    """
    yield state
    for _ in range(steps):
        state = environment.step(state, policy(state, goal), generator)
        progressed()
        yield state
