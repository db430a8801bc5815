"""What the latents are good for: reaching goals by planning in them."""

from collections.abc import Mapping
from typing import Any

from jepa_compare.evaluation.floors import named_metrics, planner_policy, task_rows
from jepa_compare.evaluation.measures.base import Measure
from jepa_compare.evaluation.measures.context import EvaluationContext
from jepa_compare.evaluation.planning.dynamics import LatentDynamics
from jepa_compare.evaluation.planning.episodes import Outcome, play_tasks


def _outcomes(context: EvaluationContext) -> dict[str, Outcome]:
    dynamics = LatentDynamics(model=context.model, world=context.source)
    policy = planner_policy(dynamics, context.source, context.settings)
    return play_tasks(context.source, policy, context.settings, context.device)


class PlanningMeasure(Measure):
    """Success, final distance and steps of every kind of `evaluation.planning.kinds`."""

    needs = frozenset({"tasks"})
    cadence = "end"

    def measure(self, context: EvaluationContext) -> Mapping[str, float | None]:
        return named_metrics(context.once(_outcomes))

    def details(self, context: EvaluationContext) -> dict[str, Any]:
        outcomes = context.once(_outcomes)
        shown = context.settings.figures.episodes
        return {
            "tasks": task_rows(outcomes),
            "episodes": {k: o.episodes(context.source, shown) for k, o in outcomes.items()},
        }
