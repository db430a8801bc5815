"""Receding-horizon control: when it plans, from what it starts, how far it looks."""

from collections.abc import Callable
from typing import Any

import torch

from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.evaluation.planning.receding_horizon import RecedingHorizon

LoadSettings = Callable[..., EvaluationSettings]
STATE, GOAL = torch.zeros(2, 2), torch.tensor([[5.0, 0.0], [0.0, -5.0]])


class FreeSpace:
    """Positions add up; keeps the candidates that it was asked to imagine, [n*m k 2]."""

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def observe(self, state: torch.Tensor) -> torch.Tensor:
        return state

    def target(self, goal: torch.Tensor) -> torch.Tensor:
        return goal

    def rollout(self, start: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        self.seen.append(actions)
        return start[:, None] + actions.cumsum(dim=1)

    def gap(self, imagined: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return imagined - target[:, None, None]


def control(settings_of: LoadSettings, **overrides: Any) -> tuple[RecedingHorizon, FreeSpace]:
    settings = settings_of(
        "fast",
        **{
            "planning__planner__horizon": 4,
            "planning__planner__iterations": 1,
            "planning__planner__execute": "mean",
            "planning__replan_interval": 2,
            **overrides,
        },
    )
    dynamics = FreeSpace()
    return RecedingHorizon(dynamics, 2, settings.planning, 0, "evaluation/test"), dynamics


def test_a_warm_start_continues_what_was_planned_and_not_executed(
    settings_of: LoadSettings,
) -> None:
    whole, _ = control(settings_of, planning__replan_interval=4)
    planned = torch.stack([whole(STATE, GOAL) for _ in range(4)], dim=1)  # [n 4 2]
    second = {}
    for warm in (True, False):
        policy, dynamics = control(settings_of, planning__planner__warm_start=warm)
        executed = torch.stack([policy(STATE, GOAL) for _ in range(3)], dim=1)
        assert torch.equal(executed[:, :2], planned[:, :2])
        second[warm] = dynamics.seen[1].unflatten(0, (2, -1))
    # Both saw the same noise, so the candidates differ by what they were centred on.
    shift = second[True] - second[False]
    expected = torch.cat([planned[:, 2:], torch.zeros(2, 2, 2)], dim=1)
    torch.testing.assert_close(shift, expected[:, None].expand_as(shift))


def test_it_plans_at_the_interval_and_never_past_the_end_of_the_episode(
    settings_of: LoadSettings,
) -> None:
    policy, dynamics = control(settings_of, planning__steps=7)
    for _ in range(7):
        policy(STATE, GOAL)
    assert [actions.shape[1] for actions in dynamics.seen] == [4, 4, 3, 1]


def test_a_solved_task_is_not_planned_for_and_the_other_acts_as_alone(
    settings_of: LoadSettings,
) -> None:
    whole, _ = control(settings_of)
    policy, dynamics = control(settings_of)
    solved = [torch.tensor([False, step >= 1]) for step in range(4)]
    leaving = RecedingHorizon(
        dynamics, 2, policy._settings, 0, "evaluation/test", lambda *_: solved.pop(0)
    )
    for step in range(4):
        all_tasks, unsolved = whole(STATE, GOAL), leaving(STATE, GOAL)
        torch.testing.assert_close(unsolved[0], all_tasks[0])
        assert unsolved[1].eq(0).all() == (step >= 1)
    # Two plans: of both tasks, then of one.
    assert dynamics.seen[0].shape[0] == 2 * dynamics.seen[1].shape[0]
    done, dynamics = control(settings_of)
    done = RecedingHorizon(
        dynamics,
        2,
        done._settings,
        0,
        "evaluation/test",
        lambda *_: torch.ones(2, dtype=torch.bool),
    )
    assert done(STATE, GOAL).eq(0).all()
    assert dynamics.seen == []


def test_plans_of_different_steps_use_different_noise(settings_of: LoadSettings) -> None:
    policy, dynamics = control(settings_of, planning__planner__warm_start=False)
    for _ in range(3):
        policy(STATE, GOAL)
    first, second = dynamics.seen
    assert not torch.equal(first, second)
