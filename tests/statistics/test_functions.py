"""The tests and estimators against scipy, and against examples worked by hand."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import example, given
from hypothesis import strategies as st

from jepa_compare.statistics import (
    detectable_difference,
    holm,
    interquartile_mean,
    paired_by_task,
    probability_of_improvement,
    sign_flip,
    skewness_z,
    t_test,
)

SCORES = st.lists(st.integers(-1000, 1000).map(lambda k: k / 500), min_size=2, max_size=12)


def varies(values: list[float]) -> bool:
    return len(set(values)) > 1


@given(SCORES.filter(varies))
def test_t_agrees_with_scipy(values: list[float]) -> None:
    test = t_test(np.array([values]))
    expected: Any = scipy.stats.ttest_1samp(values, 0.0)
    interval = expected.confidence_interval(0.95)
    np.testing.assert_allclose(test.p[0], expected.pvalue, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(test.low[0], interval.low, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(test.high[0], interval.high, rtol=1e-9, atol=1e-12)
    assert test.sd[0] == pytest.approx(np.std(values, ddof=1), rel=1e-12)


@given(SCORES.filter(varies), st.randoms(use_true_random=False))
def test_on_differences_it_is_the_paired_test(values: list[float], random) -> None:
    others = [round(random.uniform(-1, 1), 3) for _ in values]
    differences = np.subtract(values, others)
    if not varies(differences.round(12).tolist()):
        return
    expected: Any = scipy.stats.ttest_rel(values, others)
    np.testing.assert_allclose(t_test(differences[None]).p[0], expected.pvalue, rtol=1e-9)


def test_a_missing_seed_is_left_out_and_rows_do_not_touch_each_other() -> None:
    nan = math.nan
    table = np.array(
        [[1.0, nan, 2.0, 4.0], [nan, nan, nan, nan], [3.0, nan, nan, nan], [2, 2, 2, 2]]
    )
    test = t_test(table)
    assert test.n.tolist() == [3, 0, 1, 4]
    expected: Any = scipy.stats.ttest_1samp([1, 2, 4], 0)
    assert test.p[0] == pytest.approx(expected.pvalue)
    assert np.isnan(test.mean[1])
    assert test.mean[2:].tolist() == [3, 2]
    # none, one, or no variance: neither interval nor test
    assert np.isnan([test.low[1:], test.high[1:], test.p[1:]]).all()


def test_rounding_is_no_variance() -> None:
    """0.1 + 0.2 is not 0.3 in binary: three equal rates computed in two ways vary by 1e-17."""
    test = t_test(np.array([[0.3, 0.1 + 0.2, 0.3]]))
    assert np.isnan(test.p[0])


def test_holm_by_hand() -> None:
    # sorted .01 .02 .03 .04: times 4, 3, 2, 1 gives .04 .06 .06 .04, and none may fall: .06
    p = np.array([0.04, 0.01, 0.03, 0.02])
    np.testing.assert_allclose(holm(p), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm(np.array([0.5, 0.6])), [1.0, 1.0])
    # what is not tested is not in the family
    np.testing.assert_allclose(holm(np.array([0.01, math.nan, 0.04])), [0.02, math.nan, 0.04])
    assert holm(np.array([])).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_the_step_down_rule_rejects(p: list[float]) -> None:
    """Written as in Holm 1979: go through sorted p, stop at the first above alpha/(m − i + 1)."""
    rejected = set()
    for place, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[index] * (len(p) - place) >= 0.05:
            break
        rejected.add(index)
    adjusted = holm(np.array(p))
    assert {i for i, value in enumerate(adjusted) if value < 0.05} == rejected
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= np.minimum(1, len(p) * np.array(p)) + 1e-15).all()  # never above Bonferroni


def test_sign_flip_by_hand() -> None:
    # 1 2 3: of 8 patterns only +++ and --- reach |6|
    assert sign_flip(np.array([[1.0, 2.0, 3.0]]))[0] == 2 / 8
    # 1 2 -3: the observed sum is 0, which every pattern reaches
    assert sign_flip(np.array([[1.0, 2.0, -3.0]]))[0] == 1
    # 3 -1: |2| is reached by all but none of the four falls short: ±3±1 is ±2 or ±4
    assert sign_flip(np.array([[3.0, -1.0]]))[0] == 1
    # 3 3 -1: |5| is reached by +++ 7, ++- 5, ---, --+: 4 of 8
    assert sign_flip(np.array([[3.0, 3.0, -1.0]]))[0] == 4 / 8
    # the smallest there is: n = 6 cannot reach .05/10
    assert sign_flip(np.ones((1, 6)))[0] == pytest.approx(0.03125)
    assert np.isnan(sign_flip(np.array([[0.0, 0.0], [1.0, math.nan]]))).all()


@given(SCORES.filter(lambda values: any(values) and len(values) <= 9))
@example([0.002, -0.036, -0.236, 0.272])  # a tie: in floating point its two sums differ
def test_sign_flip_agrees_with_scipy(values: list[float]) -> None:
    values = [
        float(round(1000 * value)) for value in values
    ]  # exact sums: scipy's ties are bit for bit
    result = scipy.stats.permutation_test(
        (np.array(values),),
        lambda x, axis: x.mean(axis=axis),
        permutation_type="samples",
        n_resamples=10**6,  # above 2^n: all of them
        vectorized=True,
    ).pvalue
    assert sign_flip(np.array([values]))[0] == pytest.approx(min(1.0, result), abs=1e-12)


def test_sign_flip_of_many_seeds_is_close_to_the_exact_one_and_repeats() -> None:
    """At 14 seeds patterns are drawn: the standard error of p is √(p(1−p)/20,000)."""
    values = np.array([0.5, -0.3, 0.8, 0.1, 0.4, -0.2, 0.6, 0.3, -0.1, 0.2, 0.7, -0.5, 0.4, 0.1])
    signs = np.array(list(itertools.product((1, -1), repeat=14)))
    exact = float(np.mean(np.abs(signs @ values) >= abs(values.sum()) - 1e-9))
    test = sign_flip(values[None])[0]
    assert abs(test - exact) < 5 * math.sqrt(exact * (1 - exact) / 20_000)
    assert test == sign_flip(values[None])[0]


def test_probability_of_improvement_by_hand() -> None:
    """(1, 2, 3) against (2, 2, 4): 3 beats 2 twice, 2 ties with 2 twice, of 9: (2 + 1)/9."""
    x, y = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 4.0])
    assert probability_of_improvement(x, y) == pytest.approx(3 / 9)
    assert probability_of_improvement(x, y, higher_is_better=False) == pytest.approx(6 / 9)
    assert probability_of_improvement(x, x) == 0.5


@given(SCORES, SCORES)
def test_probability_of_improvement_is_mann_whitney(x: list[float], y: list[float]) -> None:
    expected = scipy.stats.mannwhitneyu(x, y, method="asymptotic").statistic / (len(x) * len(y))
    assert probability_of_improvement(np.array(x), np.array(y)) == pytest.approx(expected)


def test_interquartile_mean_by_hand() -> None:
    # five: ⌊5/4⌋ = 1 from each end, (2 + 3 + 4)/3; eight: two from each end, (3 + 4 + 5 + 9)/4
    assert interquartile_mean(np.array([100.0, 2.0, 3.0, 4.0, -50.0])) == 3
    assert interquartile_mean(np.array([9.0, 3, 4, 5, 90, 80, 1, 2])) == pytest.approx(21 / 4)


@given(SCORES)
@example([1.0, 2.0])
def test_interquartile_mean_agrees_with_scipy(values: list[float]) -> None:
    assert interquartile_mean(np.array(values)) == pytest.approx(
        scipy.stats.trim_mean(values, 0.25), abs=1e-12
    )


@pytest.mark.parametrize("alpha", [0.05, 0.005])
@pytest.mark.parametrize("n", [3, 5, 10, 30])
def test_a_detectable_difference_is_found_in_four_of_five(n: int, alpha: float) -> None:
    """scipy's noncentral t, an independent route, gives the power back."""
    sd = 0.3
    noncentrality = detectable_difference(sd, n, alpha) / (sd / math.sqrt(n))
    critical = scipy.stats.t.ppf(1 - alpha / 2, n - 1)
    t = scipy.stats.nct(n - 1, noncentrality)
    assert t.sf(critical) == pytest.approx(0.8, abs=2e-3)


def test_no_difference_is_detectable_with_one_seed() -> None:
    assert math.isnan(detectable_difference(1.0, 1))
    assert math.isnan(detectable_difference(math.nan, 5))
    assert detectable_difference(0.3, 5, 0.005) > detectable_difference(0.3, 5)
    assert detectable_difference(0.3, 2, 0.05 / 780) > 0  # far out, still finite


def test_skewness_agrees_with_scipy_and_pools_rows() -> None:
    rng = np.random.default_rng(0)
    row = rng.exponential(size=7)
    error = math.sqrt(6 * 5 / (8 * 10))
    assert skewness_z(row[None]) == pytest.approx(scipy.stats.skew(row) / error)
    many = rng.exponential(size=(40, 5))
    assert skewness_z(many) > 3
    assert math.isnan(skewness_z(np.array([[1.0, 2.0], [3.0, 3.0]])))


def test_tasks_are_paired_one_by_one() -> None:
    a = np.array([1.0, 1.0, 0.0, math.nan, 1.0])
    b = np.array([0.0, 1.0, 1.0, 1.0, math.nan])
    assert paired_by_task(a, b) == (0.0, 1, 1, 3)
    assert math.isnan(paired_by_task(a[3:4], b[3:4])[0])
