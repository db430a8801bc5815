"""Who plays the planning tasks beside a trained model: floors, ceilings and the planner itself."""

from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data.environment import TaskSuite
from jepa_compare.evaluation.planning.dynamics import Dynamics, TrueDynamics
from jepa_compare.evaluation.planning.episodes import MakePolicy
from jepa_compare.evaluation.planning.receding_horizon import RecedingHorizon
from jepa_compare.rng import generator

PLANNERS = {"true_dynamics_straight": False, "true_dynamics_geodesic": True}
"""The policies that plan on the true dynamics: whether their cost is geodesic."""


def planner_policy(
    dynamics: Dynamics, suite: TaskSuite, settings: EvaluationSettings
) -> MakePolicy:
    """Receding-horizon control in `dynamics`, for every kind of task. Where reaching a goal once is
    enough, a task that has reached it is not planned for any more."""
    planning, seed = settings.planning, settings.planning_seed()
    action_dim = suite.environment.action_dim
    solved = suite.solved if suite.decided_when_reached else None
    return lambda kind, _: RecedingHorizon(
        dynamics, action_dim, planning, seed, f"evaluation/{kind}/planner", solved
    )


def reference_policy(name: str, suite: TaskSuite, settings: EvaluationSettings) -> MakePolicy:
    """One of `suite.policies`, of which some are `PLANNERS`."""
    if name in PLANNERS:
        dynamics = TrueDynamics(suite=suite, geodesic=PLANNERS[name])
        return planner_policy(dynamics, suite, settings)
    return lambda kind, seed: suite.policy(name, generator(seed, f"evaluation/{kind}/{name}"))
