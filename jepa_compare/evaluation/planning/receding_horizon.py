"""Receding-horizon control: plan, act for some steps, look again, plan again.

Shape legend: n tasks, k plan steps, r steps between plans, a action dimensions.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
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

    A task that `solved` says is decided gets no further plan, and the action zero.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        action_dim: int,
        settings: PlanningSettings,
        seed: int,
        stream: str,
        solved: Callable[[State, State], Bool[Tensor, " n"]] | None = None,
    ) -> None:
        self._dynamics = dynamics
        self._action_dim = action_dim
        self._settings = settings
        self._seed = seed
        self._stream = stream
        self._solved = solved
        self._done: Tensor | None = None
        self._step = 0
        self._queue: list[Tensor] = []  # actions of the last plan that are still to be executed
        self._mean: Tensor | None = None

    def __call__(self, state: State, goal: State) -> Float[Tensor, "n a"]:
        if self._solved is not None:
            solved = self._solved(state, goal)
            self._done = solved if self._done is None else self._done | solved
        if not self._queue:
            plan = self._plan(state, goal)
            self._mean = plan.mean
            self._queue = list(plan.actions[:, : self._settings.replan_interval].unbind(1))
        self._step += 1
        action = self._queue.pop(0)
        return action if self._done is None else action.masked_fill(self._done[:, None], 0.0)

    def _plan(self, state: State, goal: State) -> Plan:
        """For all tasks; zeros for those that are solved."""
        planner = self._settings.planner
        start, target = self._dynamics.observe(state), self._dynamics.target(goal)
        n, device = len(start), start.device
        draw = generator(self._seed, self._stream, self._step)
        steps = min(planner.horizon, self._settings.steps - self._step)
        noise = draw_noise(draw, planner, steps, self._action_dim).to(device)
        choice = torch.rand(n, generator=draw).to(device)
        mean = self._initial_mean(torch.zeros(n, steps, self._action_dim, device=device))
        actions = torch.zeros_like(mean)
        unsolved = torch.arange(n, device=device)
        if self._done is not None:
            unsolved = unsolved[~self._done]
        for tasks in unsolved.split(self._settings.chunk) if len(unsolved) else ():
            cost = goal_cost(self._dynamics, start[tasks], target[tasks], planner.cost)
            if planner.kind == "mppi":
                plan = mppi(cost, mean[tasks], noise, choice[tasks], planner)
            else:
                plan = cem(cost, mean[tasks], noise, planner)
            actions[tasks], mean[tasks] = plan.actions, plan.mean
            progressed()
        return Plan(actions=actions, mean=mean)

    def _initial_mean(self, nothing: Float[Tensor, "n k a"]) -> Float[Tensor, "n k a"]:
        """What the last plan meant to do from here on, then nothing; or nothing at all."""
        if self._mean is None or not self._settings.planner.warm_start:
            return nothing
        left = self._mean[:, self._settings.replan_interval :]
        return torch.cat([left, nothing[:, left.shape[1] :]], dim=1)
