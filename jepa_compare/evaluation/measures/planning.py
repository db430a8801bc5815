"""What the latents are good for: reaching goals by planning in them."""

from collections.abc import Mapping
from typing import Any

from jepa_compare.data.environment import TaskSuite
from jepa_compare.evaluation.measures.base import Measure
from jepa_compare.evaluation.measures.context import EvaluationContext
from jepa_compare.evaluation.planning.dynamics import LatentDynamics
from jepa_compare.evaluation.planning.episodes import Outcome, named_metrics, play_tasks, task_rows
from jepa_compare.evaluation.planning.reference_policies import planner_policy


def _suite(context: EvaluationContext) -> TaskSuite:
    assert context.source.task_suite is not None, "a measure that needs tasks"
    return context.source.task_suite


def _outcomes(context: EvaluationContext) -> dict[str, Outcome]:
    suite = _suite(context)
    dynamics = LatentDynamics(model=context.model, environment=suite.environment)
    policy = planner_policy(dynamics, suite.environment.action_dim, context.settings)
    return play_tasks(suite, policy, context.settings, context.device)


class PlanningMeasure(Measure):
    """Success, final distance and steps of every kind of `evaluation.planning.kinds`."""

    needs = frozenset({"tasks"})
    cadence = "end"

    def unit(self, context: EvaluationContext) -> str:
        return _suite(context).distance_unit

    def measure(self, context: EvaluationContext) -> Mapping[str, float | None]:
        return named_metrics(context.once(_outcomes))

    def details(self, context: EvaluationContext) -> dict[str, Any]:
        outcomes = context.once(_outcomes)
        shown = context.settings.figures.episodes
        return {
            "tasks": task_rows(outcomes),
            "episodes": {kind: outcome.episodes(shown) for kind, outcome in outcomes.items()},
        }
