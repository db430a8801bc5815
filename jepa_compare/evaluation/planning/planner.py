"""CEM and MPPI: pure functions, batched over tasks and candidates.

Both sample plans around a mean, keep the cheapest as elites and refit mean and standard deviation
to them: the cross-entropy method (Rubinstein and Kroese, 2004) with equal weights, model
predictive path integral control (arXiv 1509.01149; with elites as in arXiv 2203.04955) with
weights exp(-temperature × cost gap).

The noise is handed in and is the same for every task of a call. So no result depends on which
tasks are planned together, and tasks are compared under common random numbers.

Shape legend: n tasks, m candidates, e elites, k plan steps, i iterations, a action dimensions.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.config.evaluation import PlannerSettings

Cost = Callable[[Float[Tensor, "n m k a"]], Float[Tensor, "n m"]]


class Plan(NamedTuple):
    """What a planner found."""

    actions: Float[Tensor, "n k a"]
    """To be executed."""
    mean: Float[Tensor, "n k a"]
    """Of the last elites; a later plan may start from it."""


def draw_noise(
    generator: torch.Generator, settings: PlannerSettings, steps: int, action_dim: int
) -> Float[Tensor, "i m k a"]:
    """The standard normal numbers of one plan of `steps` steps, from a CPU generator."""
    size = (settings.iterations, settings.samples, steps, action_dim)
    return torch.randn(size, generator=generator)


def cem(
    cost: Cost,
    mean: Float[Tensor, "n k a"],
    noise: Float[Tensor, "i m k a"],
    settings: PlannerSettings,
) -> Plan:
    """Cross-entropy method. The last elites' mean is executed, or the best of them."""
    std = torch.full_like(mean, settings.initial_std)
    best = mean
    for draw in noise:
        elites, _ = _elites(cost, mean, std, draw, settings)
        best, mean, std = elites[:, 0], elites.mean(dim=1), elites.std(dim=1)
    return Plan(actions=best if settings.execute == "best" else mean, mean=mean)


def mppi(
    cost: Cost,
    mean: Float[Tensor, "n k a"],
    noise: Float[Tensor, "i m k a"],
    choice: Float[Tensor, " n"],
    settings: PlannerSettings,
) -> Plan:
    """Model predictive path integral control over elites.

    One of the last elites is executed, drawn with their weights: `choice`, uniform in [0, 1),
    selects it by the inverse of the cumulative weights.
    """
    assert settings.temperature is not None
    std = torch.full_like(mean, settings.initial_std)
    elites, weights = mean[:, None], mean.new_ones(mean.shape[0], 1)
    for draw in noise:
        elites, costs = _elites(cost, mean, std, draw, settings)
        gap = (costs - costs[:, :1]).nan_to_num(nan=0.0)  # inf - inf: all candidates are equal
        weights = torch.softmax(-settings.temperature * gap, dim=1)  # [n e]
        w = weights[:, :, None, None]
        mean = (w * elites).sum(dim=1)
        std = (w * (elites - mean[:, None]).square()).sum(dim=1).sqrt()
    chosen = (weights.cumsum(dim=1) <= choice[:, None]).sum(dim=1)
    chosen = chosen.clamp(max=settings.elites - 1)  # the cumulative sum may round to below 1
    actions = elites[torch.arange(len(elites), device=elites.device), chosen]
    return Plan(actions=actions, mean=mean)


def _elites(
    cost: Cost,
    mean: Float[Tensor, "n k a"],
    std: Float[Tensor, "n k a"],
    draw: Float[Tensor, "m k a"],
    settings: PlannerSettings,
) -> tuple[Float[Tensor, "n e k a"], Float[Tensor, "n e"]]:
    """The cheapest candidates and their costs, cheapest first."""
    candidates = mean[:, None] + std[:, None] * draw  # [n m k a]
    if settings.max_action_norm is not None:
        norm = candidates.norm(dim=-1, keepdim=True)
        candidates = candidates * (settings.max_action_norm / norm).clamp(max=1.0)
    costs = cost(candidates).nan_to_num(nan=torch.inf)
    # A stable sort breaks ties (a collapsed model's) the same way on every device.
    costs, order = costs.sort(dim=1, stable=True)
    order = order[:, : settings.elites, None, None].expand(-1, -1, *candidates.shape[2:])
    return candidates.gather(1, order), costs[:, : settings.elites]
