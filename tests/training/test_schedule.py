"""The learning rate of every step."""

import pytest

from jepa_compare.training.schedule import learning_rate
from tests.support.runs import job


def test_learning_rate_warms_up_and_ends_at_its_fraction() -> None:
    settings = job("training.steps=100", "training.warmup_steps=10").config.training
    rates = [learning_rate(step, settings) for step in range(100)]
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) == rates[10] == pytest.approx(1e-3)
    assert rates[99] == pytest.approx(0.05e-3, rel=0.02)
