"""Planning in the default rooms: what the policies that need no model achieve, and the harness."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data import TwoRooms
from jepa_compare.data.environment import (
    Criterion,
    Environment,
    Policy,
    Rectangle,
    Tasks,
    TaskSuite,
)
from jepa_compare.evaluation.planning.dynamics import LatentDynamics
from jepa_compare.evaluation.planning.episodes import Outcome, play_tasks, score, task_rows
from jepa_compare.evaluation.planning.reference_policies import planner_policy, reference_policy
from jepa_compare.evaluation.world_model import WorldModel
from jepa_compare.models.jepa import JEPA
from jepa_compare.runs.codec import decode, encode
from jepa_compare.runs.evaluation_records import Episode

CPU = torch.device("cpu")
LoadSettings = Callable[..., EvaluationSettings]


@pytest.fixture(scope="module")
def default(settings_of: LoadSettings) -> EvaluationSettings:
    return settings_of("default")


def successes(outcomes: dict[str, Outcome]) -> dict[str, float]:
    return {kind: o.metrics(kind)[f"success_{kind}"] or 0.0 for kind, o in outcomes.items()}


def planned(
    model: WorldModel, source: TwoRooms, settings: EvaluationSettings
) -> dict[str, Outcome]:
    dynamics = LatentDynamics(model=model, environment=source.environment)
    with torch.no_grad():
        return play_tasks(
            source.task_suite, planner_policy(dynamics, source.task_suite, settings), settings, CPU
        )


def test_floors_and_ceilings_of_the_default_world(
    source: TwoRooms, default: EvaluationSettings
) -> None:
    suite = source.task_suite

    def played(name: str) -> dict[str, float]:
        policy = reference_policy(name, suite, default)
        return successes(play_tasks(suite, policy, default, CPU))

    assert played("door_script") == {"same": 1.0, "door": 1.0, "detour": 1.0}
    straight = played("straight_line")
    assert straight["same"] == 1.0
    assert 0.45 <= straight["door"] <= 0.78
    assert straight["detour"] == 0.0
    random = played("random")
    assert random["same"] < 0.3
    assert random["door"] < 0.15
    straight = played("true_dynamics_straight")
    assert straight["same"] == 1.0
    assert straight["door"] >= 0.9
    assert 0.6 <= straight["detour"] <= 0.9  # no ceiling: its cost leads it into the wall
    assert set(played("true_dynamics_geodesic").values()) == {1.0}


def test_a_perfect_model_plans_as_well_as_the_oracle_and_an_untrained_one_does_not(
    source: TwoRooms, position_model: WorldModel, jepa: JEPA, settings_of: LoadSettings
) -> None:
    settings = settings_of("default", planning__tasks=40, planning__kinds=["same"])
    assert successes(planned(position_model, source, settings))["same"] == 1.0
    assert successes(planned(jepa.eval(), source, settings))["same"] < 0.5


def test_a_model_is_asked_only_about_actions_that_are_feasible(
    source: TwoRooms, jepa: JEPA, few: EvaluationSettings
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

    planned(Spy().eval(), source, few)
    assert few.planning.planner.initial_std > source.environment.max_action_norm
    assert float(torch.stack(asked).max()) == pytest.approx(
        source.environment.max_action_norm, rel=1e-6
    )


@pytest.mark.parametrize("preset", ["fast", "random_wall"])
def test_the_chunk_of_tasks_changes_no_result(
    source: TwoRooms, jepa: JEPA, settings_of: LoadSettings, preset: str
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
        planned(jepa.eval(), source, settings_of(preset, planning__chunk=chunk, **small))["door"]
        for chunk in (1, 3, 100)
    ]
    for other in outcomes[1:]:
        torch.testing.assert_close(other.path, outcomes[0].path, atol=1e-3, rtol=0)
        assert other.success == outcomes[0].success


def test_a_kind_is_played_the_same_alone_and_among_others(
    source: TwoRooms, few: EvaluationSettings
) -> None:
    suite = source.task_suite
    alone = dataclasses.replace(few, planning=dataclasses.replace(few.planning, kinds=["door"]))
    one, all_kinds = (
        play_tasks(suite, reference_policy("random", suite, s), s, CPU)["door"]
        for s in (alone, few)
    )
    assert torch.equal(one.path, all_kinds.path)


def test_scores_are_read_off_the_states(source: TwoRooms) -> None:
    """Task 0 passes the goal (radius 2.5) and leaves again, task 1 starts at it, task 2 never. The
    distance counts when the goal is reached, which is enough here, or at the end."""
    goal = torch.tensor([[10.0, 0.0]]).expand(3, 2)
    x = torch.tensor([[0.0, 5.0, 9.0, 20.0], [10.0, 10.0, 10.0, 14.0], [0.0, 1.0, 2.0, 3.0]])
    path = torch.stack([x, torch.zeros_like(x)], dim=-1)
    outcome = score(source.task_suite, path.unbind(1), goal)
    assert torch.equal(outcome.path, path)
    assert outcome.success == {"ever": [True, True, False]}
    assert outcome.steps == [2, 0, None]
    assert outcome.final_distance == [1.0, 0.0, 7.0]
    assert outcome.metrics("door") == {
        "success_door": pytest.approx(2 / 3),
        "distance_door": pytest.approx(8 / 3),
        "steps_door": 1.0,
    }
    never = score(source.task_suite, path[2:].unbind(1), goal[2:])
    assert never.metrics("door")["steps_door"] is None


class Counter:
    """A simulator that changes in place: no tensor, and no copy of where it was."""

    def __init__(self, at: list[int]) -> None:
        self.at = at


class Counting(Environment):
    """Every step counts one up."""

    action_dim = 2

    def reset(self, start: list[int]) -> Counter:
        return Counter(list(start))

    def step(
        self, state: Counter, action: torch.Tensor, generator: torch.Generator | None = None
    ) -> Counter:
        state.at = [at + 1 for at in state.at]
        return state

    def feasible(self, action: torch.Tensor) -> torch.Tensor:
        return action

    def render(self, state: Counter) -> torch.Tensor:
        return torch.tensor(state.at).float()[:, None, None, None].expand(-1, 1, 32, 32) / 10


class ToThree(TaskSuite):
    """Two tasks: to be at 3 at the end, or at any time."""

    environment = Counting()
    kinds = ("count",)
    criteria = (Criterion(name="final", when="final"), Criterion(name="ever", when="ever"))
    distance_unit = ""
    policies = ()

    def sample(self, generator: torch.Generator, kind: str, n: int, device: torch.device) -> Tasks:
        return Tasks(start=[0, 1], goal=[3, 3])

    def distance(self, state: Counter, goal: Counter) -> torch.Tensor:
        return (torch.tensor(state.at) - torch.tensor(goal.at)).abs().float()

    def reached(self, state: Counter, goal: Counter, criterion: str) -> torch.Tensor:
        return self.distance(state, goal) == 0

    def policy(self, name: str, generator: torch.Generator) -> Policy:
        raise NotImplementedError

    def position(self, state: Counter) -> torch.Tensor:
        return torch.tensor(state.at).float()[:, None].expand(-1, 2)

    def obstacles(self, state: Counter) -> list[list[Rectangle]]:
        return [[] for _ in state.at]


def test_a_simulator_whose_state_is_no_tensor_is_planned_in(
    jepa: JEPA, settings_of: LoadSettings
) -> None:
    """And a criterion beside the primary one has its own rows and metric."""
    settings = settings_of("fast", planning__kinds=["count"], planning__steps=3)
    suite = ToThree()
    dynamics = LatentDynamics(model=jepa.eval(), environment=suite.environment)
    with torch.no_grad():
        played = play_tasks(suite, planner_policy(dynamics, suite, settings), settings, CPU)
    outcome = played["count"]
    assert outcome.path[..., 0].tolist() == [[0, 1, 2, 3], [1, 2, 3, 4]]
    assert outcome.rows() == {
        "success": [True, False],
        "final_distance": [0.0, 1.0],
        "steps": [3, None],
        "success_ever": [True, True],
    }
    assert outcome.metrics("count")["success_count_ever"] == 1.0


def test_episodes_are_records_of_plain_data(source: TwoRooms, few: EvaluationSettings) -> None:
    policy = reference_policy("door_script", source.task_suite, few)
    outcome = play_tasks(source.task_suite, policy, few, CPU)["door"]
    episodes = [decode(Episode, encode(e), str(e.task)) for e in outcome.episodes(2)]
    assert [episode.task for episode in episodes] == [0, 1]
    first = episodes[0]
    assert first.success is True
    assert len(first.path) == few.planning.steps + 1
    assert first.path[-1] == first.goal
    assert len(first.walls) == 2
    assert all(len(wall) == 4 for wall in first.walls)
    assert len(outcome.episodes(99)) == few.planning.tasks


def test_a_kind_that_the_suite_does_not_have_is_named(
    source: TwoRooms, settings_of: LoadSettings
) -> None:
    settings, suite = settings_of("fast", planning__kinds=["maze"]), source.task_suite
    with pytest.raises(ValueError, match=r"maze.*same, door, detour"):
        play_tasks(suite, reference_policy("random", suite, settings), settings, CPU)


def test_a_list_of_task_seeds_pools_their_sets(source: TwoRooms, few: EvaluationSettings) -> None:
    suite = source.task_suite
    assert suite is not None

    def played(policy: str, **seeds: Any) -> dict[str, Any]:
        settings = dataclasses.replace(few, **seeds)
        return task_rows(
            play_tasks(suite, reference_policy(policy, suite, settings), settings, CPU)
        )

    for policy in ("random", "true_dynamics_straight"):
        pooled = played(policy, task_seed=[5, 0])
        apart = [played(policy, task_seed=seed) for seed in (5, 0)]
        for kind, columns in pooled.items():
            for name, column in columns.items():
                assert column == apart[0][kind][name] + apart[1][kind][name]
        assert apart[1] == played(policy) != apart[0]  # few.seed is 0
    assert played("random", planner_seed=1, probe_seed=1) == played("random")
    straight = played("true_dynamics_straight")
    assert played("true_dynamics_straight", planner_seed=1) != straight
    assert played("true_dynamics_straight", probe_seed=1) == straight
