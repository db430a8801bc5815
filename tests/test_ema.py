"""The schedule of a moving average's decay, and the average."""

import pytest
import torch
from torch import nn

from jepa_compare.ema import decay_at, follow


def test_the_decay_goes_from_start_to_end_along_half_a_cosine() -> None:
    assert decay_at(0.0, 0.996, 1.0) == pytest.approx(0.996)
    assert decay_at(0.25, 0.996, 1.0) == pytest.approx(1 - 0.004 * 0.8535533905932737)
    assert decay_at(0.5, 0.996, 1.0) == pytest.approx(0.998)
    assert decay_at(1.0, 0.996, 1.0) == 1.0


def test_without_an_end_it_stays() -> None:
    assert [decay_at(progress, 0.99, None) for progress in (0.0, 0.3, 1.0)] == [0.99] * 3


def test_the_average_moves_by_the_rest_of_the_decay_and_the_online_weights_do_not() -> None:
    average, online = nn.Linear(2, 1), nn.Linear(2, 1)
    nn.init.zeros_(average.weight)
    nn.init.ones_(online.weight)
    follow(average, online, 0.75)
    torch.testing.assert_close(average.weight.detach(), torch.full((1, 2), 0.25))
    assert torch.equal(online.weight, torch.ones(1, 2))
