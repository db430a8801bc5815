"""Seeds that decide: against scipy's noncentral t, and by playing it out."""

import math

import numpy as np
import pytest
import scipy.stats

from jepa_compare.statistics import (
    decide,
    power_to_decide,
    sd_range,
    seeds_to_decide,
)


@pytest.mark.parametrize("pairs", [1, 10])
@pytest.mark.parametrize("effect", [0.5, 1.0, 3.0])
def test_it_is_the_fewest_by_the_noncentral_t(effect: float, pairs: int) -> None:
    def power(n: int) -> float:
        t = scipy.stats.nct(n - 1, effect * math.sqrt(n))
        critical = scipy.stats.t.ppf(1 - 0.025 / pairs, n - 1)
        return float(t.sf(critical) + t.cdf(-critical))

    n = seeds_to_decide(sd=1.0, difference=effect, pairs=pairs)
    assert n is not None
    assert power(n) >= 0.799 and power(n - 1) < 0.801
    assert seeds_to_decide(sd=0.1, difference=0.1 * effect, pairs=pairs) == n


@pytest.mark.parametrize("difference", [0.0, 0.03, 0.1, 0.2])
def test_the_promise_is_kept(difference: float) -> None:
    """A pair of ten, alone or with the others, is decided at that n in four of five sweeps."""
    sd = 0.1
    n = seeds_to_decide(sd=sd, difference=difference, pairs=10, margin=0.1)
    assert n is not None
    rng = np.random.default_rng(0)
    others = np.zeros((9, n))  # no variance: they count and are never rejected
    decided = [
        decide(np.vstack([difference + sd * rng.normal(size=(1, n)), others]), 0.1)[0].answer
        for _ in range(500)
    ]
    promised = power_to_decide(n, difference / sd, 0.005, 0.1 / sd)
    assert promised >= 0.8
    assert np.mean([answer != "undecided" for answer in decided]) == pytest.approx(
        promised, abs=0.06
    )


def test_brute_force_agrees_with_the_search() -> None:
    for difference in (0.0, 0.4, 1.0):
        powers = [power_to_decide(n, difference, 0.005, 1.0) for n in range(2, 120)]
        first = next(n for n, power in enumerate(powers, 2) if power >= 0.8)
        assert seeds_to_decide(sd=1, difference=difference, pairs=10, margin=1.0) == first


def test_what_no_number_of_seeds_decides() -> None:
    assert seeds_to_decide(sd=0.1, difference=0.0, pairs=1) is None
    assert seeds_to_decide(sd=0.0, difference=0.1, pairs=1) is None
    assert seeds_to_decide(sd=math.nan, difference=0.1, pairs=1) is None


def test_how_well_few_seeds_know_a_standard_deviation() -> None:
    low, high = sd_range(0.1, 5)
    chi = scipy.stats.chi2(4)
    assert low == pytest.approx(0.1 * math.sqrt(4 / chi.ppf(0.9)))
    assert high == pytest.approx(0.1 * math.sqrt(4 / chi.ppf(0.1)))
    assert all(map(math.isnan, sd_range(0.1, 1)))
