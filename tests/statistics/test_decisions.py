"""Better, equal, undecided: against scipy, a second implementation, and simulated truth."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import scipy.stats

from jepa_compare.statistics import decide, holm, seeds_to_decide, t_test

NAN = math.nan


def table(rng: np.random.Generator, means: list[float], seeds: int, sd: float) -> np.ndarray:
    return np.array(means)[:, None] + sd * rng.normal(size=(len(means), seeds))


def test_without_a_margin_it_is_holm() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        differences = table(rng, [0, 0.05, 0.1, 0.2, 0.4], 4, 0.1)
        p = t_test(differences).p
        decisions = decide(differences, None)
        np.testing.assert_allclose([d.p_better for d in decisions], holm(p))
        assert [d.answer == "better" for d in decisions] == (holm(p) <= 0.05).tolist()
        assert all(math.isnan(d.p_equal) and not d.within_margin for d in decisions)


def test_one_pair_is_the_t_test_and_tost_of_scipy() -> None:
    rng = np.random.default_rng(1)
    for mean in (-0.12, 0.0, 0.04, 0.3):
        values = mean + 0.05 * rng.normal(size=8)
        (decision,) = decide(values[None], 0.1)
        two_sided: Any = scipy.stats.ttest_1samp(values, 0)
        above: Any = scipy.stats.ttest_1samp(values, -0.1, alternative="greater")
        below: Any = scipy.stats.ttest_1samp(values, 0.1, alternative="less")
        equal = max(above.pvalue, below.pvalue)
        interval = two_sided.confidence_interval(0.95)
        assert decision.answer == (
            "better" if two_sided.pvalue <= 0.05 else "equal" if equal <= 0.05 else "undecided"
        )
        assert decision.within_margin == (equal <= 0.05)
        # adjusted p may not fall below one rejected before it: the larger of the two agrees
        assert max(decision.p_better, decision.p_equal) == pytest.approx(
            max(two_sided.pvalue, equal)
        )
        assert decision.low <= interval.high and decision.high >= interval.low


def rejected_at(differences: np.ndarray, margin: float, alpha: float) -> list[tuple[bool, ...]]:
    """The step-down in rounds, on intervals: which pairs exclude 0, lie within, lie beyond."""
    pairs, n = differences.shape
    mean, se = differences.mean(1), differences.std(1, ddof=1) / math.sqrt(n)
    state = [(False, False, False)] * pairs
    while True:
        left = sum(not (zero and (within or beyond)) for zero, within, beyond in state)
        level = alpha / max(1, left)
        wide = scipy.stats.t.ppf(1 - level / 2, n - 1) * se
        narrow = scipy.stats.t.ppf(1 - level, n - 1) * se
        new = [
            tuple(
                bool(old or now)
                for old, now in zip(
                    state[i],
                    (
                        abs(mean[i]) > wide[i],
                        abs(mean[i]) + narrow[i] < margin,
                        abs(mean[i]) - wide[i] > margin,
                    ),
                    strict=True,
                )
            )
            for i in range(pairs)
        ]
        if new == state:
            return new
        state = new


@pytest.mark.parametrize("sd", [0.01, 0.04, 0.1])
def test_the_step_down_written_in_rounds_rejects_the_same(sd: float) -> None:
    rng = np.random.default_rng(2)
    for _ in range(100):
        differences = table(rng, [0, 0, 0.05, 0.1, 0.15, 0.5], 5, sd)
        decisions = decide(differences, 0.1)
        rounds = rejected_at(differences, 0.1, 0.05)
        assert [
            (d.answer == "better", d.within_margin, d.beyond_margin) for d in decisions
        ] == rounds


def test_a_bound_never_contradicts_a_decision() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        for d in decide(table(rng, [0, 0.03, 0.1, -0.2, 0.6], 5, 0.05), 0.1):
            assert d.low <= d.mean <= d.high
            if d.answer == "better":
                assert d.low >= 0 or d.high <= 0
                assert 0 <= d.at_least <= abs(d.mean)
            else:
                assert d.low <= 0 <= d.high or d.answer == "undecided"
                assert math.isnan(d.at_least)
            if d.within_margin:
                assert d.low >= -0.1 and d.high <= 0.1
            if d.beyond_margin:
                assert d.at_least >= 0.1


def test_no_variance_is_no_claim_and_counts() -> None:
    rng = np.random.default_rng(4)
    clear = 0.5 + 0.01 * rng.normal(size=4)
    rows = [clear, np.zeros(4), np.full(4, 0.7), np.array([0.3, NAN, NAN, NAN]), np.full(4, NAN)]
    first, none, constant, one, nothing = decide(np.array(rows), 0.1)
    assert first.answer == "better" and first.pairs == 3
    for decision, why in (
        (none, "no variance"),
        (constant, "no variance"),
        (one, "one seed"),
        (nothing, "no seed"),
    ):
        assert (decision.answer, decision.why) == ("undecided", why)
        assert not decision.within_margin and math.isnan(decision.low)
        assert decision.seeds_needed is None


def test_pairs_of_different_seeds_are_tested_with_their_own() -> None:
    rows = np.array([[0.5, 0.6, 0.55, NAN, NAN], [0.1, -0.1, 0.05, 0.0, 0.2]])
    both = decide(rows, None)
    assert [d.n for d in both] == [3, 5]
    expected: Any = scipy.stats.ttest_1samp(rows[0, :3], 0)
    assert both[0].p_better == pytest.approx(2 * expected.pvalue)


def test_what_prints_as_zero_does_not_win() -> None:
    rows = np.array([[1e-4, 1.1e-4, 0.9e-4, 1.05e-4]])
    assert decide(rows, None)[0].answer == "better"
    assert decide(rows, None, resolution=0.005)[0].answer == "undecided"
    (equal,) = decide(rows, 0.1, resolution=0.005)
    assert equal.answer == "equal" and math.isnan(equal.at_least)


def test_a_margin_must_be_positive() -> None:
    for margin in (0.0, -0.1, NAN, math.inf):
        with pytest.raises(ValueError, match="margin must be positive, got"):
            decide(np.zeros((1, 3)), margin)
    assert decide(np.zeros((0, 3)), 0.1) == ()


def test_undecided_says_how_many_seeds() -> None:
    rows = np.array([[0.05, -0.13, 0.02, 0.2], [0.9, 0.95, 0.92, 0.91]])
    undecided = decide(rows, 0.1)[0]
    assert undecided.answer == "undecided"
    assert undecided.seeds_needed == seeds_to_decide(
        sd=undecided.sd, difference=undecided.mean, pairs=2, margin=0.1
    )


PAIRS = list(itertools.combinations(range(5), 2))


@pytest.mark.parametrize("sd", [0.02, 0.1])
@pytest.mark.parametrize("means", [(0, 0, 0, 0, 0), (0, 0, 0, 0.1, 0.1), (0, 0.1, 0.2, 0.3, 0.9)])
def test_false_claims_of_both_kinds_together_stay_at_5_percent(
    means: tuple[float, ...], sd: float
) -> None:
    """600 sweeps of 4 seeds; two separate Holm families would err in up to 10 % of the second."""
    rng = np.random.default_rng(5)
    truth = np.array([means[a] - means[b] for a, b in PAIRS])
    false = 0
    for _ in range(600):
        scores = table(rng, list(means), 4, sd / math.sqrt(2))
        decisions = decide(np.array([scores[a] - scores[b] for a, b in PAIRS]), 0.1)
        false += any(
            (d.answer == "better" and d.mean * t <= 0)
            or (d.within_margin and abs(t) > 0.0999)
            or (d.beyond_margin and abs(t) < 0.0999)
            for d, t in zip(decisions, truth, strict=True)
        )
    assert scipy.stats.binomtest(false, 600, 0.05, alternative="greater").pvalue > 0.01
