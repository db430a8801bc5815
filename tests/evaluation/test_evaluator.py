"""The evaluator: keys, determinism, what it leaves untouched, and the models it judges."""

import copy
import json
import math

import pytest
import torch

from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data import TwoRooms
from jepa_compare.evaluation import Evaluator, run_status
from jepa_compare.evaluation.stored import Floors, evaluation_file
from jepa_compare.evaluation.world_model import WorldModel
from jepa_compare.models.jepa import JEPA
from jepa_compare.runs.codec import encode
from jepa_compare.runs.records import SCHEMA_VERSION
from jepa_compare.system import files

CPU = torch.device("cpu")
COLLAPSE = {"spread", "feature_std", "rankme", "participation_ratio", "alpha_req", "lidar"}
PROBE = {"probe_r2", "probe_rmse", "probe_r2_set_1", "probe_r2_set_2"}
ROLLOUT = {f"rollout_{kind}_{k}" for kind in ("relative", "rmse") for k in (1, 8, 16)}
PLANNING = {
    f"{what}_{kind}"
    for what in ("success", "distance", "steps")
    for kind in ("same", "door", "detour")
}


@pytest.fixture
def evaluator(source: TwoRooms, few: EvaluationSettings) -> Evaluator:
    return Evaluator(source, few, CPU)


def test_the_metrics_are_those_of_the_contract(evaluator: Evaluator, jepa: JEPA) -> None:
    def names(metrics: object) -> set[str]:
        assert isinstance(metrics, dict)
        return {str(key).removeprefix("eval/") for key in metrics if str(key).startswith("eval/")}

    evaluation = evaluator.evaluate(jepa)
    assert names(evaluator.collapse(jepa)) == COLLAPSE
    assert names(evaluator.quick(jepa)) == COLLAPSE | PROBE | ROLLOUT
    assert names(evaluation.metrics) == COLLAPSE | PROBE | ROLLOUT | PLANNING

    settings = evaluator.settings
    record = evaluation_file(evaluation, Floors(keys={}, untrained={}), settings, 600)
    stored = json.loads(files.to_json(encode(record)))
    assert stored["schema_version"] == SCHEMA_VERSION
    assert stored["step"] == 600
    assert stored["settings"]["planning"]["planner"]["kind"] == "cem"
    assert set(stored["tasks"]) == set(stored["episodes"]) == {"same", "door", "detour"}
    assert len(stored["tasks"]["door"]["success"]) == settings.planning.tasks
    assert len(stored["episodes"]["door"]) == settings.figures.episodes
    assert len(stored["spectrum"]) == jepa.dim
    assert stored["spectrum"][0] == 1.0
    assert stored["seconds"] > 0


def test_interval_metrics_are_those_of_the_end_bit_for_bit(
    source: TwoRooms, few: EvaluationSettings, evaluator: Evaluator, jepa: JEPA
) -> None:
    again = Evaluator(source, few, CPU)
    end = evaluator.evaluate(jepa).metrics
    assert end.items() >= again.collapse(jepa).items()
    assert end.items() >= again.quick(jepa).items()
    assert again.evaluate(jepa).metrics == end


def test_the_model_and_the_global_generator_are_left_as_they_were(
    evaluator: Evaluator, jepa: JEPA
) -> None:
    jepa.train()
    before = copy.deepcopy(jepa.state_dict())
    state = torch.get_rng_state()
    evaluator.evaluate(jepa)
    assert jepa.training
    assert jepa.encoder.training
    assert all(torch.equal(before[name], value) for name, value in jepa.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_the_held_out_sets_are_disjoint_and_not_the_training_data(
    evaluator: Evaluator, source: TwoRooms
) -> None:
    held_out = evaluator.held_out
    batches = [held_out.fit, *held_out.sets]
    starts = [batch.labels["position"][:, 0] for batch in batches]
    assert len(starts) == 3
    together = torch.cat(starts)
    assert len(torch.unique(together, dim=0)) == len(together)


def test_a_model_that_reads_the_position_is_perfect(
    evaluator: Evaluator, position_model: WorldModel
) -> None:
    metrics = evaluator.quick(position_model)
    assert metrics["eval/probe_r2"] > 0.999
    assert metrics["eval/probe_rmse"] < 0.2
    assert metrics["eval/rollout_rmse_16"] < 0.3
    assert metrics["eval/rollout_relative_16"] < 1e-3


def test_the_status_of_models(evaluator: Evaluator, jepa: JEPA, position_model: WorldModel) -> None:
    untrained = evaluator.quick(jepa)
    assert run_status(evaluator.quick(position_model), untrained) == "healthy"
    assert run_status(untrained, untrained) == "no_better_than_untrained"

    class Squashed(torch.nn.Module):
        """All frames nearly the same, and one direction in which they are not."""

        scale: float

        def encode(self, obs: torch.Tensor) -> torch.Tensor:
            z = jepa.encode(obs)
            return 1 + self.scale * z[:, :1] * torch.ones_like(z)

        def rollout(
            self, z0: torch.Tensor, actions: torch.Tensor | None, steps: int
        ) -> torch.Tensor:
            return z0[:, None].expand(-1, steps, -1)

    squashed = Squashed()
    squashed.scale = 1e-3
    assert run_status(evaluator.quick(squashed), untrained) == "complete_collapse"
    squashed.scale = 1.0
    assert run_status(evaluator.quick(squashed), untrained) == "no_better_than_untrained"


def test_a_model_that_diverged_is_evaluated_without_an_exception(
    evaluator: Evaluator, jepa: JEPA
) -> None:
    untrained = evaluator.quick(jepa)
    with torch.no_grad():
        next(iter(jepa.encoder.parameters())).fill_(torch.nan)
    evaluation = evaluator.evaluate(jepa)
    assert math.isnan(evaluation.metrics["eval/spread"] or 0.0)
    assert evaluation.metrics["eval/success_detour"] is not None
    assert run_status(evaluation.metrics, untrained) == "diverged"
    record = evaluation_file(evaluation, Floors(keys={}, untrained={}), evaluator.settings, 0)
    files.to_json(encode(record))


def test_a_warning_survives_a_resume(source: TwoRooms, few: EvaluationSettings) -> None:
    rows = [
        {"step": step, "eval/spread": spread}
        for step, spread in ((0, 0.3), (25, 0.03), (50, 0.015), (75, 0.012), (100, 0.01))
    ]
    whole = Evaluator(source, few, CPU)
    said = [whole.collapse_warning(row) for row in rows]
    assert [message is not None for message in said] == [False, False, False, True, False]
    resumed = Evaluator(source, few, CPU)
    resumed.recall([{"step": 10, "train/loss": 1.0}, *rows[:3]])
    assert [resumed.collapse_warning(row) for row in rows[3:]] == said[3:]


@pytest.mark.gpu
def test_a_gpu_gives_nearly_the_numbers_of_the_cpu(
    source: TwoRooms, few: EvaluationSettings, evaluator: Evaluator, jepa: JEPA
) -> None:
    on_gpu = Evaluator(source, few, torch.device("cuda")).quick(copy.deepcopy(jepa).cuda())
    assert on_gpu == pytest.approx(evaluator.quick(jepa), rel=1e-2)
