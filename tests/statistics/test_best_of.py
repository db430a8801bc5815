"""The median best of B trials and its bounds against enumeration and known values; shares."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from jepa_compare.statistics import median_best_of, share_near_best, wilson


def test_the_value_is_the_median_of_all_draws_with_replacement() -> None:
    """Of all n^B draws of B trials out of n, every one counted."""
    scores = np.array([0.1, 0.7, 0.2, 0.9, 0.4])
    for best in median_best_of(scores):
        draws = [max(draw) for draw in itertools.product(scores, repeat=best.budget)]
        assert best.value == pytest.approx(np.median(draws))


def test_of_one_trial_it_is_the_median_and_of_all_of_them_the_best() -> None:
    for n in (1, 2, 3, 8, 16, 31):
        scores = np.random.default_rng(n).random(n)
        curve = median_best_of(scores)
        assert [best.budget for best in curve] == list(range(1, n + 1))
        assert curve[0].value == pytest.approx(np.median(scores))
        assert curve[-1].value == scores.max()
        assert [best.value for best in curve] == sorted(best.value for best in curve)
    assert median_best_of(np.array([])) == ()


def test_bounds_of_sixteen_trials() -> None:
    """Ranks by the binomial distribution: P(fewer than `low` trials lie below) ≤ .025."""
    curve = median_best_of(np.arange(1.0, 17.0))
    for best in curve:
        below = scipy.stats.binom(16, 0.5 ** (1 / best.budget))
        low = int(best.low)
        assert below.cdf(low - 1) <= 0.025 < below.cdf(low)
        if not math.isnan(best.high):
            high = int(best.high)
            assert below.cdf(high - 1) >= 0.975 > below.cdf(high - 2)
    assert [best.budget for best in curve if not math.isnan(best.high)] == [1, 2, 3]
    assert (curve[0].low, curve[0].high) == (4, 13)  # the interval of a median, in any table
    assert curve[-1].low == 13


@pytest.mark.parametrize(("trials", "last"), [(4, 0), (6, 1), (8, 1), (16, 3), (32, 6), (64, 12)])
def test_where_the_bound_towards_better_ends(trials: int, last: int) -> None:
    curve = median_best_of(np.arange(float(trials)))
    assert sum(not math.isnan(best.high) for best in curve) == last
    assert all(0.5 ** (trials / best.budget) <= 0.025 for best in curve[:last])


def test_four_trials_bound_the_median_on_no_side() -> None:
    first, *_, last = median_best_of(np.array([1.0, 2.0, 3.0, 4.0]))
    assert math.isnan(first.low)  # .5^4 = .0625
    assert last.low == 2


def test_lower_is_better_mirrors_everything() -> None:
    scores = np.random.default_rng(0).random(16)
    for up, down in zip(
        median_best_of(-scores), median_best_of(scores, higher_is_better=False), strict=True
    ):
        assert down.value == -up.value
        np.testing.assert_equal((down.low, down.high), (-up.high, -up.low))


def test_scores_that_are_missing_are_refused() -> None:
    with pytest.raises(ValueError, match="must be finite"):
        median_best_of(np.array([0.5, math.nan]))


def test_wilson_intervals() -> None:
    for hits, n in [(0, 16), (1, 16), (7, 16), (16, 16), (3, 4), (50, 1000)]:
        interval = wilson(hits, n)
        ours = scipy.stats.binomtest(hits, n).proportion_ci(method="wilson")
        assert interval == pytest.approx((ours.low, ours.high), abs=1e-12)
    low, high = wilson(0, 16) or (1.0, 0.0)
    assert low == 0
    assert high == pytest.approx(0.1936, abs=1e-4)
    assert wilson(0, 0) is None


def test_share_of_trials_near_the_best() -> None:
    scores = np.array([0.9, 0.85, 0.8, 0.3])
    assert share_near_best(scores, 0.1) == 0.75  # 0.9 - 0.8 is a little more than 0.1
    assert share_near_best(scores, 0.04) == 0.25
    assert share_near_best(scores, 0.1, higher_is_better=False) == 0.25
    assert share_near_best(np.full(5, 0.2), 0.1) == 1
    assert math.isnan(share_near_best(np.array([]), 0.1))
