"""The planners against problems whose optimum is known in closed form."""

import dataclasses

import pytest
import torch

from jepa_compare.config.evaluation import PlannerSettings
from jepa_compare.evaluation.planning.planner import Plan, cem, draw_noise, mppi
from jepa_compare.rng import generator

CEM = PlannerSettings(
    kind="cem",
    horizon=4,
    samples=512,
    elites=64,
    iterations=30,
    initial_std=3.0,
    max_action_norm=None,
    temperature=None,
    execute="mean",
    warm_start=False,
    cost="mse",
)
MPPI = dataclasses.replace(CEM, kind="mppi", temperature=5.0, execute="sample")

# x' = A x + B u, a damped double integrator: state (position, velocity), one action.
A = torch.tensor([[1.0, 0.5], [0.0, 0.9]])
B = torch.tensor([[0.1], [0.5]])
Q = torch.diag(torch.tensor([1.0, 0.1]))
R = 0.1
STARTS = torch.tensor([[1.0, 0.0], [-2.0, 0.5], [0.0, -1.0]])


def lqr_cost(actions: torch.Tensor, starts: torch.Tensor = STARTS) -> torch.Tensor:
    """Σ_t x_tᵀ Q x_t + R u_t² with the true dynamics; [n m k 1] -> [n m]."""
    x = starts[:, None].expand(-1, actions.shape[1], -1)
    total = torch.zeros(actions.shape[:2])
    for u in actions.unbind(2):
        x = x @ A.T + u @ B.T
        total = total + ((x @ Q) * x).sum(-1) + R * u.square().sum(-1)
    return total


def lqr_optimum(starts: torch.Tensor, steps: int) -> torch.Tensor:
    """The finite-horizon solution by the Riccati recursion, [n steps 1]."""
    p = Q.clone()
    gains = []
    for _ in range(steps):
        gain = torch.linalg.solve(R + B.T @ p @ B, B.T @ p @ A)
        gains.append(gain)
        p = Q + A.T @ p @ (A - B @ gain)
    x, actions = starts, []
    for gain in reversed(gains):
        u = -x @ gain.T
        actions.append(u)
        x = x @ A.T + u @ B.T
    return torch.stack(actions, dim=1)


def run(settings: PlannerSettings, cost, n: int = 3, steps: int = 4, a: int = 1) -> Plan:
    noise = draw_noise(generator(0, "evaluation/test"), settings, steps, a)
    mean = torch.zeros(n, steps, a)
    if settings.kind == "cem":
        return cem(cost, mean, noise, settings)
    choice = torch.rand(n, generator=generator(0, "evaluation/choice"))
    return mppi(cost, mean, noise, choice, settings)


@pytest.mark.parametrize("settings", [CEM, MPPI], ids=["cem", "mppi"])
def test_the_planner_reaches_the_linear_quadratic_optimum(settings: PlannerSettings) -> None:
    """Tolerance: .005 in every action (they reach 2.4), .001 % in cost."""
    optimum = lqr_optimum(STARTS, 4)
    assert optimum.abs().max() > 2.0
    plan = run(settings, lqr_cost)
    torch.testing.assert_close(plan.actions, optimum, atol=0.005, rtol=0)
    best = lqr_cost(optimum[:, None])
    assert (lqr_cost(plan.actions[:, None]) <= 1.00001 * best).all()


def test_cem_can_execute_the_cheapest_candidate_that_it_saw_last() -> None:
    seen = []

    def cost(actions: torch.Tensor) -> torch.Tensor:
        costs = lqr_cost(actions)
        seen.append((costs.min(dim=1).values, actions))
        return costs

    plan = run(dataclasses.replace(CEM, execute="best", iterations=2), cost)
    cheapest, candidates = seen[-1]
    torch.testing.assert_close(lqr_cost(plan.actions[:, None])[:, 0], cheapest)
    assert not torch.equal(plan.actions, plan.mean)
    assert (candidates == plan.actions[:, None]).flatten(2).all(2).any(1).all()


def test_more_iterations_come_closer() -> None:
    optimum = lqr_optimum(STARTS, 4)
    errors = [
        (run(dataclasses.replace(CEM, iterations=i), lqr_cost).actions - optimum).abs().max()
        for i in (1, 5, 30)
    ]
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("settings", [CEM, MPPI], ids=["cem", "mppi"])
def test_any_chunking_of_the_tasks_gives_the_same_plans(settings: PlannerSettings) -> None:
    noise = draw_noise(generator(0, "evaluation/test"), settings, 4, 1)
    choice = torch.rand(3, generator=generator(0, "evaluation/choice"))

    def planned(tasks: slice) -> torch.Tensor:
        mean = torch.zeros(len(STARTS[tasks]), 4, 1)
        cost = lambda actions: lqr_cost(actions, STARTS[tasks])  # noqa: E731
        if settings.kind == "cem":
            return cem(cost, mean, noise, settings).actions
        return mppi(cost, mean, noise, choice[tasks], settings).actions

    whole = planned(slice(0, 3))
    parts = torch.cat([planned(slice(0, 1)), planned(slice(1, 3))])
    assert torch.equal(whole, parts)


def test_actions_are_cut_only_where_the_settings_say_so() -> None:
    def longest(settings: PlannerSettings) -> float:
        seen = []

        def cost(actions: torch.Tensor) -> torch.Tensor:
            seen.append(actions.norm(dim=-1).max())
            return -actions.norm(dim=-1).sum(-1)

        run(settings, cost, a=2)
        return float(torch.stack(seen).max())

    assert longest(CEM) > 3
    assert longest(dataclasses.replace(CEM, max_action_norm=0.5)) == pytest.approx(0.5, abs=1e-6)


def test_mppi_executes_an_elite_drawn_with_its_weight() -> None:
    """One iteration, candidates that are 0.5 apart in cost: frequencies are the softmax's."""
    settings = dataclasses.replace(
        MPPI, samples=4, elites=3, iterations=1, initial_std=1.0, temperature=1.0
    )
    values = torch.tensor([3.0, 0.0, 2.0, 1.0])  # the noise is the candidate: zero mean, unit std
    noise = values.reshape(1, 4, 1, 1)
    n = 3000
    choice = (torch.arange(n) + 0.5) / n
    cost = lambda actions: 0.5 * actions.sum(dim=(2, 3))  # noqa: E731
    plan = mppi(cost, torch.zeros(n, 1, 1), noise, choice, settings)
    found = torch.stack([(plan.actions == v).float().mean() for v in (0.0, 1.0, 2.0, 3.0)])
    weights = torch.softmax(torch.tensor([0.0, -0.5, -1.0]), dim=0)
    torch.testing.assert_close(found[:3], weights, atol=1e-3, rtol=0)
    assert found[3] == 0
    mean = (weights * torch.tensor([0.0, 1.0, 2.0])).sum()
    torch.testing.assert_close(plan.mean, mean.expand(n, 1, 1))


@pytest.mark.parametrize("settings", [CEM, MPPI], ids=["cem", "mppi"])
def test_a_cost_that_is_not_finite_is_never_chosen(settings: PlannerSettings) -> None:
    def cost(actions: torch.Tensor) -> torch.Tensor:
        total = actions.square().sum(dim=(2, 3))
        return torch.where(actions[:, :, 0, 0] > 0, torch.nan, total)

    assert (run(settings, cost).actions[:, 0] <= 0).all()
    everything = run(settings, lambda actions: actions.sum(dim=(2, 3)) * torch.nan)
    assert everything.actions.isfinite().all()
