"""The wing's door: the evaluator, the contract of a measure, and the measures that are shipped.

A YAML names a class here (`_target_: jepa_compare.evaluation.ProbeMeasure`), never its file.
"""

from jepa_compare.evaluation.evaluator import Evaluation, Evaluator, build_measures
from jepa_compare.evaluation.health_status import run_status
from jepa_compare.evaluation.measures.base import Measure
from jepa_compare.evaluation.measures.collapse import CollapseMeasure
from jepa_compare.evaluation.measures.context import EvaluationContext
from jepa_compare.evaluation.measures.planning import PlanningMeasure
from jepa_compare.evaluation.measures.probe import ProbeMeasure
from jepa_compare.evaluation.measures.rollout import RolloutMeasure

__all__ = [
    "CollapseMeasure",
    "Evaluation",
    "EvaluationContext",
    "Evaluator",
    "Measure",
    "PlanningMeasure",
    "ProbeMeasure",
    "RolloutMeasure",
    "build_measures",
    "run_status",
]
