"""What a loss costs and does to a run, measured without moving any of it."""

import copy

import pytest
import torch
from torch import nn

from jepa_compare.training.cost import aux_seconds_per_step, aux_to_prediction_gradient
from jepa_compare.training.gradients import clip
from jepa_compare.training.step import training_step
from tests.support.runs import built


def test_the_pull_is_the_median_over_the_rows_that_have_both_norms() -> None:
    prediction, aux = "train/gradient_prediction", "train/gradient_aux"
    rows = [{prediction: p, aux: a} for p, a in ((1.0, 2.0), (2.0, 1.0), (1.0, 900.0))]
    rows += [{prediction: 0.0, aux: 1.0}, {prediction: 1.0}, {"train/loss": 1.0}]
    assert aux_to_prediction_gradient(rows) == 2.0
    assert aux_to_prediction_gradient(rows[3:]) is None


def test_a_group_that_is_cut_counts_whatever_the_others_do() -> None:
    small, large = (nn.Parameter(torch.zeros(4)) for _ in range(2))
    small.grad, large.grad = torch.full((4,), 0.1), torch.full((4,), 5.0)
    norm, clipped = clip([[small], [large]], 1.0)
    assert clipped and norm.item() == pytest.approx((0.04 + 100) ** 0.5)
    assert not clip([[small]], 1.0)[1]


@pytest.mark.parametrize("largest", [1e-6, 1e6])
def test_clipped_steps_are_counted_and_kept_in_the_checkpoint(largest: float) -> None:
    state = built("aux_loss=dino", f"training.grad_clip={largest}")
    for state.step in range(3):
        training_step(state, state.batch(state.step), measure_gradients=False)
    assert state.clipped_steps.item() == (3 if largest < 1 else 0)
    again = built("aux_loss=dino", f"training.grad_clip={largest}")
    again.restore(state.to_checkpoint(run_hash="", metrics_bytes=0))
    assert again.clipped_steps.item() == state.clipped_steps.item()


@pytest.mark.parametrize("loss", ["dino", "barlow_twins", "sigreg", "none"])
def test_timing_the_loss_moves_nothing_of_the_run(loss: str) -> None:
    state = built(f"aux_loss={loss}")
    training_step(state, state.batch(0), measure_gradients=False)
    before = copy.deepcopy(state.objective.state_dict())
    random = torch.get_rng_state()
    seconds = aux_seconds_per_step(state)
    assert seconds is not None and seconds > 0
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(v, before[k]) for k, v in state.objective.state_dict().items())
    assert state.objective.training and state.objective.aux_loss.training


def test_a_loss_that_cannot_be_copied_is_not_timed(caplog: pytest.LogCaptureFixture) -> None:
    state = built("aux_loss=dino")
    state.objective.aux_loss.cache = torch.ones(2, requires_grad=True) * 2  # no leaf
    assert aux_seconds_per_step(state) is None
    assert "not timed (RuntimeError" in caplog.text


def test_a_head_that_follows_another_is_not_counted_twice() -> None:
    state = built("aux_loss=dino")
    student = state.objective.aux_loss.student
    count = sum(p.numel() for p in student.parameters())  # pyright: ignore
    assert state.parameters()["aux_loss"] == count
