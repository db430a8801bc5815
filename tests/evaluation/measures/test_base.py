"""How measures are composed: which are taken, when, and what they may not return."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from jepa_compare.checks import ConfigError
from jepa_compare.comparison.loading.descriptions import read_descriptions
from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data import Source, TwoRooms
from jepa_compare.data.base import Split
from jepa_compare.evaluation import (
    EvaluationContext,
    Evaluator,
    Measure,
    build_measures,
    run_status,
)
from jepa_compare.evaluation.stored import Floors, evaluation_file
from jepa_compare.latents import Batch
from jepa_compare.metrics import Metric, describe
from jepa_compare.models.jepa import JEPA

CPU = torch.device("cpu")
NORM = Metric(
    key="eval/norm", label="latent norm", better="lower", downstream=True, about="mean length"
)


class Norm(Measure):
    """The mean length of a latent, and what is not there."""

    metrics = (NORM, replace(NORM, key="eval/nothing"))
    cadence = "interval"

    def __init__(self, *, power: float = 1.0) -> None:
        self.power = power

    def measure(self, context: EvaluationContext) -> Mapping[str, Tensor | float | None]:
        norm = torch.cat(context.latents).norm(dim=-1).mean() ** self.power
        return {"eval/norm": norm, "eval/nothing": None}


class Rewarded(Measure):
    """Needs what no source here has."""

    needs = frozenset({"reward"})

    def measure(self, context: EvaluationContext) -> Mapping[str, Tensor | float | None]:
        raise AssertionError("there is no reward to measure")


class Undescribed(Measure):
    """Says nothing of what it measures."""

    def measure(self, context: EvaluationContext) -> Mapping[str, Tensor | float | None]:
        return {"eval/mystery": 1.0}


class Twice(Measure):
    """Measures what another one does."""

    def measure(self, context: EvaluationContext) -> Mapping[str, Tensor | float | None]:
        return {"eval/spread": 1.0}


class Turned(Measure):
    """Describes a built-in metric in its own way."""

    metrics = (replace(describe("eval/probe_rmse", "px"), better="higher"),)

    def measure(self, context: EvaluationContext) -> Mapping[str, Tensor | float | None]:
        return {}


class Pictures(Source):
    """Frames of rooms, and nothing else: no actions, labels, environment or tasks."""

    action_dim, action_kind = 0, "none"
    primary_metric = "eval/spread"

    def __init__(self, rooms: TwoRooms) -> None:
        self.rooms, self.obs_shape = rooms, rooms.obs_shape

    def sample(
        self,
        generator: torch.Generator,
        batch_size: int,
        frames: int,
        device: torch.device,
        split: Split = "train",
    ) -> Batch:
        rooms = self.rooms.sample(generator, batch_size, frames, device, split)
        return Batch(obs=rooms.obs, actions=None)


def node(measure: type, **arguments: object) -> dict[str, object]:
    return {"_target_": f"{measure.__module__}.{measure.__name__}", **arguments}


def with_measures(settings: EvaluationSettings, **nodes: object) -> EvaluationSettings:
    kept = {name: settings.measures[name] for name in ("collapse", "probe")}
    return replace(settings, measures=kept | nodes)


def test_a_measure_of_ones_own_stands_beside_the_others(
    source: TwoRooms, few: EvaluationSettings, jepa: JEPA
) -> None:
    settings = with_measures(few, norm=node(Norm, power=2.0), reward=node(Rewarded))
    evaluator = Evaluator(source, settings, CPU)
    evaluation = evaluator.evaluate(jepa)
    assert list(evaluation.metrics)[-2:] == ["eval/norm", "eval/nothing"]
    assert evaluation.metrics["eval/nothing"] is None
    assert evaluation.descriptions["eval/norm"] == NORM
    assert evaluation.descriptions["eval/probe_rmse"].unit == "px"
    assert evaluation.descriptions.keys() == evaluation.metrics.keys()
    assert evaluation.tasks == {}  # planning is not among them

    plain = Evaluator(source, with_measures(few), CPU).evaluate(jepa)
    assert plain.metrics.items() <= evaluation.metrics.items()
    assert "eval/norm" not in evaluator.collapse(jepa)
    assert evaluator.quick(jepa)["eval/norm"] == evaluation.metrics["eval/norm"]
    assert "eval/nothing" not in evaluator.quick(jepa)  # nothing to log

    none = Floors(keys={}, untrained={})
    stored = evaluation_file(evaluation, none, settings, 600).descriptions
    assert read_descriptions(stored, "file") == evaluation.descriptions


def test_what_a_source_lacks_is_not_measured(
    source: TwoRooms, few: EvaluationSettings, jepa: JEPA
) -> None:
    """The predictor needs actions, so rollouts are left out."""
    kept = {name: node for name, node in few.measures.items() if name != "rollout"}
    evaluation = Evaluator(Pictures(source), replace(few, measures=kept), CPU).evaluate(jepa)
    collapse = Evaluator(source, few, CPU).collapse(jepa)
    assert evaluation.metrics == collapse
    assert not evaluation.tasks and not evaluation.episodes and evaluation.spectrum
    assert run_status(evaluation.metrics, evaluation.metrics) == "healthy"


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (Undescribed, "evaluation.measures.mine: eval/mystery is not described in its `metrics`"),
        (Twice, "evaluation.measures.mine: eval/spread is measured twice"),
    ],
)
def test_what_a_measure_may_not_return(
    source: TwoRooms, few: EvaluationSettings, jepa: JEPA, measure: type, message: str
) -> None:
    evaluator = Evaluator(source, with_measures(few, mine=node(measure)), CPU)
    with pytest.raises(ValueError) as caught:
        evaluator.evaluate(jepa)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ({"mine": node(Turned)}, "evaluation.measures.mine: eval/probe_rmse is built in, desc"),
        ({"mine": node(Norm), "too": node(Norm)}, "measures.too: eval/norm is described by ano"),
        ({"mine": node(Norm, pwoer=1)}, "measures.mine.pwoer=1: unknown key (did you mean 'pow"),
        ({"mine": node(TwoRooms)}, "evaluation.measures.mine._target_=jepa_compare.data.rooms"),
    ],
)
def test_a_mistake_is_found_before_anything_runs(
    few: EvaluationSettings, nodes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build_measures(with_measures(few, **nodes))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("success_detuor", "success_detuor: there is no such metric (did you mean 'success_detour"),
        ("eval/success_door", "eval/success_door: there is no such metric (did you mean 'success_"),
        ("nrom", "nrom: there is no such metric (did you mean 'norm'?); there is success_detour, "),
    ],
)
def test_a_smallest_effect_is_of_a_metric(few: EvaluationSettings, name: str, message: str) -> None:
    settings = with_measures(few, norm=node(Norm))
    build_measures(replace(settings, smallest_effect={"norm": 1.0, "success_door_final": 0.1}))
    with pytest.raises(ConfigError) as caught:
        build_measures(replace(settings, smallest_effect={name: 0.1}))
    assert str(caught.value).startswith(f"evaluation.smallest_effect.{message}")


def test_what_is_measured_decides_which_evaluation_it_is(few: EvaluationSettings) -> None:
    assert with_measures(few, norm=node(Norm)).identity() != with_measures(few).identity()
