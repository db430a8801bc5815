"""Planning with a second setting of the planner beside the first."""

from dataclasses import replace

import pytest
import torch

from jepa_compare.checks import ConfigError
from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data import TwoRooms
from jepa_compare.evaluation import Evaluator, build_measures
from jepa_compare.metrics import described
from jepa_compare.models import JEPA

CPU = torch.device("cpu")
TARGET = "jepa_compare.evaluation.PlanningMeasure"


def with_second(settings: EvaluationSettings, **arguments: object) -> EvaluationSettings:
    node = {"_target_": TARGET, **arguments}
    measures = {"planning": settings.measures["planning"], "horizon_15": node}
    return replace(settings, measures=measures, smallest_effect={"horizon_15/success_door": 0.1})


def test_a_second_planner_stands_beside_the_first(
    source: TwoRooms, few: EvaluationSettings, jepa: JEPA
) -> None:
    both = with_second(few, planner={"horizon": 15}, replan_interval=3)
    evaluation = Evaluator(source, both, CPU).evaluate(jepa)
    first = replace(both, measures={"planning": few.measures["planning"]}, smallest_effect={})
    alone = Evaluator(source, first, CPU).evaluate(jepa)
    planner = replace(few.planning.planner, horizon=15)
    planning = replace(few.planning, planner=planner, replan_interval=3)
    other = Evaluator(source, replace(first, planning=planning), CPU).evaluate(jepa)

    assert alone.metrics.items() <= evaluation.metrics.items()
    assert evaluation.episodes == alone.episodes
    for key, value in other.metrics.items():
        assert evaluation.metrics[key.replace("eval/", "eval/horizon_15/")] == value
    for kind in few.planning.kinds:
        assert evaluation.tasks[kind] == alone.tasks[kind]
        assert evaluation.tasks[f"horizon_15/{kind}"] == other.tasks[kind] != alone.tasks[kind]

    metric = evaluation.descriptions["eval/horizon_15/distance_door"]
    assert (metric.label, metric.unit, metric.better) == (
        "door distance (horizon 15)",
        "px",
        "lower",
    )
    assert evaluation.descriptions["eval/horizon_15/success_detour"].downstream
    assert all(described(metric) == metric for metric in evaluation.descriptions.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"planner": {"horizn": 15}}, "planner.horizn: unknown key (did you mean 'horizon'?)"),
        ({"planner": {"horizon": 0}}, "planner.horizon=0: must be at least 1"),
        ({"planner": {"elites": 99}}, "planner.elites=99: must be between 2 and planning.planner"),
        ({"replan_interval": 11}, "replan_interval=11: must be at most planning.planner.horizon"),
        ({"horizon": 15}, "horizon=15: unknown key"),
    ],
)
def test_a_mistake_in_it_is_found_first(
    few: EvaluationSettings, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build_measures(with_second(few, **arguments))
    assert str(caught.value).startswith(f"evaluation.measures.horizon_15.{message}")


def test_a_smallest_effect_names_a_measure_that_is_there(few: EvaluationSettings) -> None:
    wrong = replace(few, smallest_effect={"horizn_15/success_door": 0.1})
    with pytest.raises(ConfigError, match="there is no such metric"):
        build_measures(wrong)
