"""What pairing bought and what tasks add, on tables with known components."""

import math

import numpy as np
import pytest

from jepa_compare.statistics import correlation_over_seeds, task_widening


def test_correlation_says_what_pairing_buys() -> None:
    rng = np.random.default_rng(0)
    shared, alone = rng.normal(size=(1, 4000)), rng.normal(size=(3, 4000))
    scores = math.sqrt(0.3) * shared + math.sqrt(0.7) * alone
    assert correlation_over_seeds(scores) == pytest.approx(0.3, abs=0.04)
    two = scores[:2]
    spread = two.var(axis=1, ddof=1).sum()
    bought = (two[0] - two[1]).var(ddof=1) / spread
    assert 1 - correlation_over_seeds(two) == pytest.approx(bought)


def test_correlation_of_too_little_is_nan() -> None:
    nan = math.nan
    assert math.isnan(correlation_over_seeds(np.ones((3, 5))))
    assert math.isnan(correlation_over_seeds(np.array([[1.0, 2, nan], [2.0, 1, 3]])))


def test_task_widening_finds_the_components() -> None:
    """Variances 1 of seeds, 2 of tasks, 4 of the rest; 40 seeds x 60 tasks."""
    rng = np.random.default_rng(1)
    seeds, tasks = 40, 60
    expected = math.sqrt((1 / 40 + 2 / 60 + 4 / 2400) / (1 / 40 + 4 / 2400))
    factors = []
    for _ in range(50):
        table = (
            rng.normal(size=(seeds, 1))
            + math.sqrt(2) * rng.normal(size=(1, tasks))
            + 2 * rng.normal(size=(seeds, tasks))
        )
        factors.append(task_widening(table))
    assert np.mean(factors) == pytest.approx(expected, rel=0.03)


def test_tasks_without_an_effect_widen_nothing_and_gaps_are_left_out() -> None:
    rng = np.random.default_rng(2)
    table = rng.normal(size=(5, 1)) + 0.1 * rng.normal(size=(5, 30))
    assert 1 <= task_widening(table) < 1.05
    assert task_widening(np.hstack([table, np.full((5, 1), math.nan)])) == task_widening(table)
    assert math.isnan(task_widening(table[:1]))
