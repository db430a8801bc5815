"""Planning tasks of the two-rooms environments, drawn by rejection.

Shape legend: n tasks, c candidates, s state dimensions: the position first, then what travels with
it (a distractor, a wall's layout).
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from jepa_compare.checks import require_one_of
from jepa_compare.data.environment import (
    Criterion,
    Environment,
    Policy,
    Rectangle,
    Tasks,
    TaskSuite,
    play,
)
from jepa_compare.data.rooms.geometry import cut, to_device
from jepa_compare.data.rooms.policies import RandomWalk, straight_line

_CHUNK = 1024
_MAX_CHUNKS = 100


class TwoRoomsEnvironment(Environment):
    """Two rooms and the door between them, as their tasks need to know them. Its states are
    tensors [n s]: `step` and `render` are functions of the state alone."""

    action_dim = 2
    max_action_norm: float
    """Longest action, px."""

    def reset(self, start: Float[Tensor, "n s"]) -> Float[Tensor, "n s"]:
        """Starts and goals are states."""
        return start

    @abstractmethod
    def draw_pairs(
        self, generator: torch.Generator, n: int, same_room: bool
    ) -> tuple[Float[Tensor, "n s"], Float[Tensor, "n s"]]:
        """Start and goal, each uniform in its room, in one room or in both; on the CPU."""

    @abstractmethod
    def waypoint(
        self, state: Float[Tensor, "n s"], goal: Float[Tensor, "n s"]
    ) -> Float[Tensor, "n 2"]:
        """Where to walk next, straight: to the door if the goal is in the other room, through it,
        then to the goal."""

    @abstractmethod
    def walking_distance(
        self, state: Float[Tensor, "n s"], goal: Float[Tensor, "n s"]
    ) -> Float[Tensor, " n"]:
        """See `TaskSuite.walking_distance`."""

    @abstractmethod
    def obstacles(self, state: Float[Tensor, "n s"]) -> list[list[Rectangle]]:
        """See `TaskSuite.obstacles`."""


class RoomTasks(TaskSuite):
    """`same`: one room, start and goal at least `min_same_distance` px apart. `door`: one in each
    room. `detour`: the `door` tasks that the straight line fails by the primary criterion in one
    play of `steps` steps; an evaluation should give as many.

    `criteria` says of each at which distances [px] the goal is reached. Fewer tasks are a prefix
    of more.
    """

    kinds = ("same", "door", "detour")
    scripts = ("random", "straight_line", "door_script")  # that `policy` makes
    policies = (*scripts, "true_dynamics_straight", "true_dynamics_geodesic")
    distance_unit = "px"

    def __init__(
        self,
        environment: TwoRoomsEnvironment,
        criteria: Mapping[Criterion, Callable[[Tensor], Tensor]],
        *,
        min_same_distance: float,
        steps: int,
    ) -> None:
        self.environment: TwoRoomsEnvironment = environment  # pyright: ignore[reportIncompatibleVariableOverride]
        self.criteria = tuple(criteria)
        self._near = {criterion.name: near for criterion, near in criteria.items()}
        self.min_same_distance, self.steps = min_same_distance, steps

    def sample(self, generator: torch.Generator, kind: str, n: int, device: torch.device) -> Tasks:
        """See `TaskSuite.sample`. Made on the CPU, so that tasks are the same bytes on every
        device. Raises ValueError for an unknown kind, and when almost no candidate is kept."""
        require_one_of("task kind", kind, self.kinds)
        starts, goals = [], []
        count = 0
        # Candidates come in chunks of one size, so fewer tasks are a prefix of more.
        for _ in range(_MAX_CHUNKS):
            start, goal = self.environment.draw_pairs(generator, _CHUNK, kind == "same")
            kept = torch.ones(_CHUNK, dtype=torch.bool)
            if kind == "same":
                kept = self.distance(start, goal) >= self.min_same_distance
            elif kind == "detour":
                kept = ~self.straight_line_succeeds(start, goal, generator)
            starts.append(start[kept])
            goals.append(goal[kept])
            count += int(kept.sum())
            if count >= n:
                start, goal = torch.cat(starts)[:n], torch.cat(goals)[:n]
                return Tasks(start=to_device(start, device), goal=to_device(goal, device))
        raise ValueError(
            f"only {count} of {n} {kind} tasks in {_MAX_CHUNKS * _CHUNK} draws: they are too rare"
            " here; give larger rooms or smaller distances"
        )

    def straight_line_succeeds(
        self, start: Float[Tensor, "c s"], goal: Float[Tensor, "c s"], generator: torch.Generator
    ) -> Bool[Tensor, " c"]:
        """Whether the straight-line policy solves each task, with the environment's noise."""
        primary = self.criteria[0]
        policy = self.policy("straight_line", generator)
        walked = play(self.environment, policy, start, goal, self.steps, generator)
        reached = [self.reached(state, goal, primary.name) for state in walked]
        return reached[-1] if primary.when == "final" else torch.stack(reached).any(dim=0)

    def distance(
        self, state: Float[Tensor, "n s"], goal: Float[Tensor, "n s"]
    ) -> Float[Tensor, " n"]:
        """Between the two positions."""
        return (state - goal)[:, :2].norm(dim=-1)

    def walking_distance(
        self, state: Float[Tensor, "n s"], goal: Float[Tensor, "n s"]
    ) -> Float[Tensor, " n"]:
        """See `TaskSuite.walking_distance`. Through the door if the goal is in the other room."""
        return self.environment.walking_distance(state, goal)

    def reached(
        self, state: Float[Tensor, "n s"], goal: Float[Tensor, "n s"], criterion: str
    ) -> Bool[Tensor, " n"]:
        """See `TaskSuite.reached`. A function of the distance."""
        require_one_of("criterion", criterion, self._near)
        return self._near[criterion](self.distance(state, goal))

    def policy(self, name: str, generator: torch.Generator) -> Policy:
        """See `TaskSuite.policy`. `door_script` knows the rooms: a ceiling."""
        require_one_of("policy", name, self.scripts)
        longest = self.environment.max_action_norm
        if name == "random":
            return RandomWalk(longest, generator)
        if name == "straight_line":
            return partial(straight_line, max_norm=longest)
        return lambda state, goal: cut(
            self.environment.waypoint(state, goal) - state[:, :2], longest
        )

    def position(self, state: Float[Tensor, "n s"]) -> Float[Tensor, "n 2"]:
        """The state's first two columns."""
        return state[:, :2]

    def obstacles(self, state: Float[Tensor, "n s"]) -> list[list[Rectangle]]:
        """Walls, and the borders where they are drawn."""
        return self.environment.obstacles(state)
