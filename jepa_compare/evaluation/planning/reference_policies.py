"""Who plays the planning tasks beside a trained model: floors, ceilings and the planner itself."""

from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data.environment import TaskSuite
from jepa_compare.evaluation.planning.dynamics import Dynamics, TrueDynamics
from jepa_compare.evaluation.planning.episodes import MakePolicy
from jepa_compare.evaluation.planning.receding_horizon import RecedingHorizon
from jepa_compare.rng import generator


def planner_policy(dynamics: Dynamics, action_dim: int, settings: EvaluationSettings) -> MakePolicy:
    """Receding-horizon control in `dynamics`, for every kind of task."""
    return lambda kind: RecedingHorizon(
        dynamics, action_dim, settings.planning, settings.seed, f"evaluation/{kind}/planner"
    )


def reference_policy(name: str, suite: TaskSuite, settings: EvaluationSettings) -> MakePolicy:
    """One of `suite.policies`; "oracle" is the planner on the true dynamics."""
    if name == "oracle":
        return planner_policy(TrueDynamics(suite=suite), suite.environment.action_dim, settings)
    return lambda kind: suite.policy(name, generator(settings.seed, f"evaluation/{kind}/{name}"))
