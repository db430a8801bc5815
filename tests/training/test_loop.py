"""The loop: what it evaluates, records, saves and warns of, when, and whose time that is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from jepa_compare.losses import NoAuxLoss
from jepa_compare.runs import layout
from jepa_compare.runs.records import Alarm
from jepa_compare.training import checkpoint
from jepa_compare.training.loop import record, train
from tests.support.runs import job, rows, training
from tests.support.runs import train as whole_run


def test_rows_and_checkpoints_come_at_their_intervals(tmp_path: Path) -> None:
    with training(
        tmp_path / "run",
        "training.steps=12",
        "training.log_interval=5",
        "training.gradient_interval=6",
        "training.checkpoint_interval=7",
        "evaluation.interval=8",
        "evaluation.collapse_interval=4",
    ) as (state, context):
        train(state, context)
        assert state.step == state.saved_at == context.writer.step == 12
    kinds = {
        row["step"]: {
            key for key in ("train/gradient_aux", "eval/spread", "eval/probe_rmse") if key in row
        }
        for row in rows(tmp_path / "run")
    }
    collapse, whole = {"eval/spread"}, {"eval/spread", "eval/probe_rmse"}
    gradients = {"train/gradient_aux"}
    assert kinds == {0: gradients | whole, 4: collapse, 5: set(), 6: gradients, 8: whole, 10: set()}
    (tmp_path / "run" / layout.CHECKPOINT).unlink()  # of the end
    run_hash = str(context.identity.hash)
    state = checkpoint.load(tmp_path / "run", run_hash, torch.device("cpu"))
    assert state is not None and state["step"] == 7


def test_the_true_state_never_reaches_training(tmp_path: Path) -> None:
    seen = []
    with training(tmp_path / "run", "training.steps=3") as (state, context):
        state.objective.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].state))
        train(state, context)
    assert seen == [None] * 3


class Clock:
    """Goes on when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def during(self, call: Callable[..., Any], seconds: float) -> Callable[..., Any]:
        """`call`, which takes `seconds`."""

        def slow(*arguments: Any) -> Any:
            self.now += seconds
            return call(*arguments)

        return slow


def test_the_evaluations_between_steps_are_no_training_time(tmp_path: Path) -> None:
    clock = Clock()
    every = ("training.steps=6", "evaluation.interval=6", "evaluation.collapse_interval=2")
    with training(tmp_path / "run", *every) as (state, context):
        state.batches.batch = clock.during(state.batches.batch, 1.0)
        state.evaluator.collapse = clock.during(state.evaluator.collapse, 10.0)
        state.evaluator.quick = clock.during(state.evaluator.quick, 100.0)
        train(state, replace(context, clock=clock))
        assert (state.seconds, state.interim_seconds) == (6.0, 120.0)
    saved = checkpoint.load(tmp_path / "run", job(*every).identity.hash, torch.device("cpu"))
    assert saved is not None
    assert (saved["seconds"], saved["interim_seconds"]) == (6.0, 120.0)


class Alarming(NoAuxLoss):
    """Warns of every norm below one."""

    def alarms(self, terms: dict[str, float]) -> list[str]:
        return ["small"] if terms["norm"] < 1 else []


def test_an_alarm_is_kept_once_for_as_long_as_it_lasts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with training(tmp_path / "run") as (state, context):
        state.objective.aux_loss = Alarming(dim=1)
        for step, norm in enumerate((0.0, 0.0, None, 0.0, 2.0, 0.0)):
            terms = {} if norm is None else {"aux/norm": norm}
            record(state, context, {"step": step, **terms})
    assert state.alarms == [Alarm(step=step, message="small") for step in (0, 5)]
    assert caplog.text.count("small") == 2


def test_stop_on_collapse_ends_the_run_and_records_when(tmp_path: Path) -> None:
    summary = whole_run(
        tmp_path / "run",
        "aux_loss=none",
        "training.steps=200",
        "training.lr=0.01",
        "training.on_collapse=stop",
    )
    assert summary["collapsed_at"] is not None
    assert summary["steps"] < 200
    assert "collapsing" in summary["alarms"][0]["message"]
