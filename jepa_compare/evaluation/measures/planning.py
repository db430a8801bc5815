"""What the latents are good for: reaching goals by planning in them."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from jepa_compare.config import bounds
from jepa_compare.config.evaluation import EvaluationSettings, PlannerSettings
from jepa_compare.config.typed import from_plain
from jepa_compare.data.environment import TaskSuite
from jepa_compare.evaluation.measures.base import Measure
from jepa_compare.evaluation.measures.context import EvaluationContext
from jepa_compare.evaluation.planning.dynamics import LatentDynamics
from jepa_compare.evaluation.planning.episodes import Outcome, named_metrics, play_tasks, task_rows
from jepa_compare.evaluation.planning.reference_policies import planner_policy
from jepa_compare.metrics import PREFIX


def _suite(context: EvaluationContext) -> TaskSuite:
    assert context.source.task_suite is not None, "a measure that needs tasks"
    return context.source.task_suite


class PlanningMeasure(Measure):
    """Success, final distance and steps of every kind of `evaluation.planning.kinds`.

    With arguments it is a second setting of the planner on the same tasks: what they do not name is
    that of `evaluation.planning`. Its keys then carry its name ("eval/horizon_15/success_door"),
    and so do its kinds among the tasks.
    """

    needs = frozenset({"tasks"})
    cadence = "end"

    def __init__(
        self, planner: dict[str, Any] | None = None, replan_interval: int | None = None
    ) -> None:
        self._planner, self._replan_interval = planner or {}, replan_interval
        self._prefix = ""

    def configure(self, name: str, settings: EvaluationSettings) -> None:
        key, planning = f"evaluation.measures.{name}", settings.planning
        node = asdict(planning.planner) | self._planner
        interval = self._replan_interval
        self._planning = replace(
            planning,
            planner=from_plain(PlannerSettings, node, f"{key}.planner"),
            replan_interval=planning.replan_interval if interval is None else interval,
        )
        if self._planner or interval is not None:
            bounds.check(self._planning, key)
            self._prefix = f"{name}/"

    def _outcomes(self, context: EvaluationContext) -> dict[str, Outcome]:
        suite, settings = _suite(context), replace(context.settings, planning=self._planning)
        dynamics = LatentDynamics(model=context.model, environment=suite.environment)
        policy = planner_policy(dynamics, suite, settings)
        return play_tasks(suite, policy, settings, context.device)

    def unit(self, context: EvaluationContext) -> str:
        return _suite(context).distance_unit

    def measure(self, context: EvaluationContext) -> Mapping[str, float | None]:
        metrics = named_metrics(context.once(self._outcomes))
        return {key.replace(PREFIX, PREFIX + self._prefix, 1): v for key, v in metrics.items()}

    def details(self, context: EvaluationContext) -> dict[str, Any]:
        outcomes = context.once(self._outcomes)
        shown = context.settings.figures.episodes
        rows = {self._prefix + kind: columns for kind, columns in task_rows(outcomes).items()}
        if self._prefix:
            return {"tasks": rows}
        episodes = {kind: outcome.episodes(shown) for kind, outcome in outcomes.items()}
        return {"tasks": rows, "episodes": episodes}
