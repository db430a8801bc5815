"""Receding-horizon control: plan, act for some steps, look again, plan again.

Shape legend: n tasks, k plan steps, r steps between plans, a action dimensions.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.config.evaluation import PlanningSettings
from jepa_compare.data.environment import State
from jepa_compare.evaluation.planning.dynamics import Dynamics, goal_cost
from jepa_compare.evaluation.planning.planner import Plan, cem, draw_noise, mppi
from jepa_compare.rng import generator
from jepa_compare.system.stall import progressed


class RecedingHorizon:
    """A policy (state, goal) -> action for `data.environment.play`; one object plays one episode.

    The random numbers of a plan are a function of (seed, stream, environment step) and shared by
    all tasks; only the choice among MPPI's elites is drawn per task, for all tasks at once. So
    the chunk in which tasks are planned changes no result (up to the rounding of matrix products
    of different heights).
    """

    def __init__(
        self,
        dynamics: Dynamics,
        action_dim: int,
        settings: PlanningSettings,
        seed: int,
        stream: str,
    ) -> None:
        self._dynamics = dynamics
        self._action_dim = action_dim
        self._settings = settings
        self._seed = seed
        self._stream = stream
        self._step = 0
        self._queue: list[Tensor] = []  # actions of the last plan that are still to be executed
        self._mean: Tensor | None = None

    def __call__(self, state: State, goal: State) -> Float[Tensor, "n a"]:
        if not self._queue:
            plan = self._plan(state, goal)
            self._mean = plan.mean
            self._queue = list(plan.actions[:, : self._settings.replan_interval].unbind(1))
        self._step += 1
        return self._queue.pop(0)

    def _plan(self, state: State, goal: State) -> Plan:
        planner = self._settings.planner
        start, target = self._dynamics.observe(state), self._dynamics.target(goal)
        n, device = len(start), start.device
        draw = generator(self._seed, self._stream, self._step)
        steps = min(planner.horizon, self._settings.steps - self._step)
        noise = draw_noise(draw, planner, steps, self._action_dim).to(device)
        choice = torch.rand(n, generator=draw).to(device)
        mean = self._initial_mean(torch.zeros(n, steps, self._action_dim, device=device))
        plans = []
        for first in range(0, n, self._settings.chunk):
            tasks = slice(first, first + self._settings.chunk)
            cost = goal_cost(self._dynamics, start[tasks], target[tasks], planner.cost)
            if planner.kind == "mppi":
                plans.append(mppi(cost, mean[tasks], noise, choice[tasks], planner))
            else:
                plans.append(cem(cost, mean[tasks], noise, planner))
            progressed()
        return Plan(
            actions=torch.cat([plan.actions for plan in plans]),
            mean=torch.cat([plan.mean for plan in plans]),
        )

    def _initial_mean(self, nothing: Float[Tensor, "n k a"]) -> Float[Tensor, "n k a"]:
        """What the last plan meant to do from here on, then nothing; or nothing at all."""
        if self._mean is None or not self._settings.planner.warm_start:
            return nothing
        left = self._mean[:, self._settings.replan_interval :]
        return torch.cat([left, nothing[:, left.shape[1] :]], dim=1)
