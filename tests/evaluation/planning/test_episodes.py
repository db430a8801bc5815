"""Planning in the default world: what the policies that need no model achieve, and the harness."""

import dataclasses
import json
from collections.abc import Callable

import pytest
import torch

from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data.rooms.two_rooms import TwoRooms
from jepa_compare.evaluation.floors import planner_policy, scripted_policy
from jepa_compare.evaluation.planning.dynamics import LatentDynamics
from jepa_compare.evaluation.planning.episodes import Outcome, play_tasks, score
from jepa_compare.evaluation.world_model import WorldModel
from jepa_compare.models.jepa import JEPA

CPU = torch.device("cpu")
LoadSettings = Callable[..., EvaluationSettings]


@pytest.fixture(scope="module")
def default(settings_of: LoadSettings) -> EvaluationSettings:
    return settings_of("default")


def successes(outcomes: dict[str, Outcome]) -> dict[str, float]:
    return {kind: o.metrics(kind)[f"success_{kind}"] or 0.0 for kind, o in outcomes.items()}


def planned(model: WorldModel, world: TwoRooms, settings: EvaluationSettings) -> dict[str, Outcome]:
    dynamics = LatentDynamics(model=model, world=world)
    with torch.no_grad():
        return play_tasks(world, planner_policy(dynamics, world, settings), settings, CPU)


def test_floors_and_ceilings_of_the_default_world(
    world: TwoRooms, default: EvaluationSettings
) -> None:
    def played(name: str) -> dict[str, float]:
        policy = scripted_policy(name, world, default)
        return successes(play_tasks(world, policy, default, CPU))

    assert played("door_script") == {"same": 1.0, "door": 1.0, "detour": 1.0}
    straight = played("straight_line")
    assert straight["same"] == 1.0
    assert 0.45 <= straight["door"] <= 0.78
    assert straight["detour"] == 0.0
    random = played("random")
    assert random["same"] < 0.3
    assert random["door"] < 0.15
    oracle = played("oracle")
    assert oracle["same"] == 1.0
    assert oracle["door"] >= 0.9
    assert oracle["detour"] >= 0.6


def test_a_perfect_model_plans_as_well_as_the_oracle_and_an_untrained_one_does_not(
    world: TwoRooms, position_model: WorldModel, jepa: JEPA, settings_of: LoadSettings
) -> None:
    settings = settings_of("default", planning__tasks=40, planning__kinds=["same"])
    assert successes(planned(position_model, world, settings))["same"] == 1.0
    assert successes(planned(jepa.eval(), world, settings))["same"] < 0.5


def test_a_model_is_asked_only_about_actions_that_the_world_executes(
    world: TwoRooms, jepa: JEPA, few: EvaluationSettings
) -> None:
    """Candidates are longer: their standard deviation is above the longest step."""
    asked = []

    class Spy(torch.nn.Module):
        def encode(self, obs: torch.Tensor) -> torch.Tensor:
            return jepa.encode(obs)

        def rollout(
            self, z0: torch.Tensor, actions: torch.Tensor | None, steps: int
        ) -> torch.Tensor:
            assert actions is not None
            asked.append(actions.norm(dim=-1).max())
            return jepa.rollout(z0, actions, steps)

    planned(Spy().eval(), world, few)
    assert few.planning.planner.initial_std > world.max_action_norm
    assert float(torch.stack(asked).max()) == pytest.approx(world.max_action_norm, rel=1e-6)


@pytest.mark.parametrize("preset", ["fast", "random_wall"])
def test_the_chunk_of_tasks_changes_no_result(
    world: TwoRooms, jepa: JEPA, settings_of: LoadSettings, preset: str
) -> None:
    """CEM with a warm start, and MPPI, which draws for each task, with a short horizon."""
    small = {
        "planning__tasks": 7,
        "planning__kinds": ["door"],
        "planning__planner__horizon": 6,
        "planning__planner__iterations": 2,
        "planning__steps": 9,
    }
    outcomes = [
        planned(jepa.eval(), world, settings_of(preset, planning__chunk=chunk, **small))["door"]
        for chunk in (1, 3, 100)
    ]
    for other in outcomes[1:]:
        torch.testing.assert_close(other.path, outcomes[0].path, atol=1e-3, rtol=0)
        assert other.success == outcomes[0].success


def test_a_kind_is_played_the_same_alone_and_among_others(
    world: TwoRooms, few: EvaluationSettings
) -> None:
    alone = dataclasses.replace(few, planning=dataclasses.replace(few.planning, kinds=["door"]))
    one, all_kinds = (
        play_tasks(world, scripted_policy("random", world, s), s, CPU)["door"] for s in (alone, few)
    )
    assert torch.equal(one.path, all_kinds.path)


def test_scores_are_read_off_the_distances(world: TwoRooms) -> None:
    """Task 0 passes the goal (radius 2.5) and leaves again, task 1 starts at it, task 2 never."""
    start = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 0.0]])
    goal = torch.tensor([[10.0, 0.0]]).expand(3, 2)
    x = torch.tensor([[0.0, 5.0, 9.0, 20.0], [10.0, 10.0, 10.0, 14.0], [0.0, 1.0, 2.0, 3.0]])
    path = torch.stack([x, torch.zeros_like(x)], dim=-1)
    outcome = score(world, start, goal, path)
    assert outcome.success == {"ever": [True, True, False]}
    assert outcome.steps == [2, 0, None]
    assert outcome.final_distance == [10.0, 4.0, 7.0]
    assert outcome.metrics("door") == {
        "success_door": pytest.approx(2 / 3),
        "distance_door": 7.0,
        "steps_door": 1.0,
    }
    never = score(world, start[2:], goal[2:], path[2:])
    assert never.metrics("door")["steps_door"] is None


def test_a_second_criterion_has_its_own_rows_and_metric(world: TwoRooms) -> None:
    class TwoCriteria(TwoRooms):
        criteria = ("final", "ever")

        def success(self, distance: torch.Tensor, criterion: str) -> torch.Tensor:
            kept = distance[:, -1:] if criterion == "final" else distance
            return (kept <= 2.5).any(dim=1)

    other = object.__new__(TwoCriteria)
    path = torch.tensor([[[0.0, 0.0], [9.0, 0.0], [20.0, 0.0]]])
    outcome = score(other, torch.zeros(1, 2), torch.tensor([[10.0, 0.0]]), path)
    assert outcome.rows() == {
        "success": [False],
        "final_distance": [10.0],
        "steps": [None],
        "success_ever": [True],
    }
    assert outcome.metrics("door")["success_door_ever"] == 1.0


def test_episodes_are_plain_data(world: TwoRooms, few: EvaluationSettings) -> None:
    policy = scripted_policy("door_script", world, few)
    outcome = play_tasks(world, policy, few, CPU)["door"]
    episodes = json.loads(json.dumps(outcome.episodes(world, 2)))
    assert [episode["task"] for episode in episodes] == [0, 1]
    first = episodes[0]
    assert first["success"] is True
    assert len(first["path"]) == few.planning.steps + 1
    assert first["path"][-1] == first["goal"]
    assert len(first["walls"]) == 2
    assert all(len(wall) == 4 for wall in first["walls"])
    assert len(outcome.episodes(world, 99)) == few.planning.tasks


def test_a_kind_that_the_world_does_not_have_is_named(
    world: TwoRooms, settings_of: LoadSettings
) -> None:
    settings = settings_of("fast", planning__kinds=["maze"])
    with pytest.raises(ValueError, match=r"maze.*same, door, detour"):
        play_tasks(world, scripted_policy("random", world, settings), settings, CPU)
