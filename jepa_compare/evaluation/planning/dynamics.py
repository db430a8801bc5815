"""What a planner plans in: a model's latent space, or the true dynamics.

Shape legend: n tasks or candidates, m candidates per task, k plan steps, a action dimensions,
z dimensions of what a rollout starts from, d of what it is compared in, g of a gap.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.data.environment import Environment, State, TaskSuite
from jepa_compare.evaluation.planning.planner import Cost
from jepa_compare.evaluation.world_model import WorldModel, encode_frames


@runtime_checkable
class Dynamics(Protocol):
    """Where plans are rolled out and compared with the goal."""

    def observe(self, state: State) -> Float[Tensor, "n z"]:
        """What a rollout from this state starts from."""
        ...

    def target(self, goal: State) -> Float[Tensor, "n d"]:
        """What a rollout should come close to."""
        ...

    def rollout(
        self, start: Float[Tensor, "n z"], actions: Float[Tensor, "n k a"]
    ) -> Float[Tensor, "n k d"]:
        """What is imagined after each action."""
        ...

    def gap(
        self, imagined: Float[Tensor, "n m k d"], target: Float[Tensor, "n d"]
    ) -> Float[Tensor, "n m k g"]:
        """What is missing to the target: vectors whose length is the cost of a step."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentDynamics:
    """A model sees rendered frames, of the goal too, and imagines latents under the actions as
    the environment would do them."""

    model: WorldModel
    environment: Environment

    def observe(self, state: State) -> Float[Tensor, "n z"]:
        return encode_frames(self.model, self.environment.render(state))

    def target(self, goal: State) -> Float[Tensor, "n d"]:
        return self.observe(goal)

    def rollout(
        self, start: Float[Tensor, "n z"], actions: Float[Tensor, "n k a"]
    ) -> Float[Tensor, "n k d"]:
        return self.model.rollout(start, self.environment.feasible(actions), actions.shape[1])

    def gap(
        self, imagined: Float[Tensor, "n m k d"], target: Float[Tensor, "n d"]
    ) -> Float[Tensor, "n m k d"]:
        return imagined - target[:, None, None]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrueDynamics:
    """The environment's own noise-free dynamics from the true state. States are tensors [n s],
    which a planner can copy for its candidates."""

    suite: TaskSuite
    geodesic: bool
    """Whether states are compared by the length of the way that can be gone between them, or of
    the straight line between their positions, which may lead through a wall."""

    def observe(self, state: Float[Tensor, "n z"]) -> Float[Tensor, "n z"]:
        return state

    def target(self, goal: Float[Tensor, "n z"]) -> Float[Tensor, "n z"]:
        return goal

    def rollout(
        self, start: Float[Tensor, "n z"], actions: Float[Tensor, "n k a"]
    ) -> Float[Tensor, "n k z"]:
        state, path = start, []
        for action in actions.unbind(1):
            state = self.suite.environment.step(state, action)
            path.append(state)
        return torch.stack(path, dim=1)

    def gap(
        self, imagined: Float[Tensor, "n m k z"], target: Float[Tensor, "n z"]
    ) -> Float[Tensor, "n m k 2"]:
        n, m, k = imagined.shape[:3]
        states, goals = imagined.flatten(0, 2), target.repeat_interleave(m * k, dim=0)
        gap = self.suite.position(states) - self.suite.position(goals)
        if self.geodesic:  # as long as the way
            way = self.suite.walking_distance(states, goals)
            gap = torch.stack([way, torch.zeros_like(way)], dim=-1)
        return gap.unflatten(0, (n, m, k))


def goal_cost(
    dynamics: Dynamics,
    start: Float[Tensor, "n z"],
    target: Float[Tensor, "n d"],
    kind: str,
) -> Cost:
    """The cost of candidate plans: distance to the goal, summed over the horizon.

    `l2`: Σ_t ‖ẑ_t − z_g‖, which asks to arrive early. `mse`: Σ_t mean_d (ẑ_t − z_g)² (arXiv
    2602.03604, which also counts t = 0, the same for every candidate).
    """

    def cost(actions: Float[Tensor, "n m k a"]) -> Float[Tensor, "n m"]:
        n, m = actions.shape[:2]
        from_each = start.repeat_interleave(m, dim=0)  # [n*m z]
        imagined = dynamics.rollout(from_each, actions.flatten(0, 1)).unflatten(0, (n, m))
        gap = dynamics.gap(imagined, target)
        if kind == "l2":
            return gap.square().sum(dim=-1).sqrt().sum(dim=-1)
        return gap.square().mean(dim=-1).sum(dim=-1)

    return cost
