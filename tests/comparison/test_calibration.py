"""Intervals cover what they say, and conclusions are false as rarely as they say.

Simulated sweeps with known truth, seeded. The default tests put 3,000 sweeps of five rows through
the functions that `compare` uses (Monte-Carlo standard error of a coverage about 0.2 %, of a rate
of false conclusions 0.4 %); the slow one puts 500 sweeps a line through `compare` itself, by the
script that prints the table of docs/statistics.md (0.5 % and 1 %). Bounds allow three errors.
"""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from jepa_compare.statistics import holm, t_test
from tests.support.claims import claims, false_on_page, promise, promise_from_pilot
from tests.support.simulated import LOSSES, SYMMETRIC, TRUTHS, Share, Truth, simulate
from tests.support.simulated_trials import TRIALS, bounds_hold, dodge_band_covers

ROOT = Path(__file__).resolve().parents[2]
SWEEPS = 3000
ALLOWED = 3.0  # standard errors
PAIRS = list(itertools.combinations(range(len(LOSSES)), 2))


def draw_scores(truth: Truth, seeds: int, means: list[float]) -> np.ndarray:
    """[sweeps losses seeds]"""
    rng = np.random.default_rng([seeds, list(TRUTHS).index(truth.name)])
    sweeps = [truth.draw(rng, seeds, np.array(means)) for _ in range(SWEEPS)]
    return np.stack([sweep.reshape(len(LOSSES), seeds, -1).mean(-1) for sweep in sweeps])


def coverage(values: np.ndarray, truth: float) -> Share:
    """Of the intervals over the last axis of [sweeps rows seeds], those that are there."""
    test = t_test(values.reshape(-1, values.shape[-1]))
    covered = np.where(np.isnan(test.low), np.nan, (test.low <= truth) & (truth <= test.high))
    covered = covered.reshape(values.shape[:2])
    there = covered[~np.isnan(covered).all(axis=1)]
    return Share.of(np.nanmean(there, axis=1).tolist())


def false_conclusions(values: np.ndarray, equal: list[int]) -> int:
    """Sweeps in which some pair of equal losses is separable, Holm over all ten pairs."""
    gaps = np.stack([values[:, a] - values[:, b] for a, b in PAIRS], axis=1)
    p = t_test(gaps.reshape(-1, values.shape[-1])).p.reshape(gaps.shape[:2])
    adjusted = np.stack([holm(row) for row in np.nan_to_num(p, nan=1.0)])
    null = [i for i, (a, b) in enumerate(PAIRS) if (a in equal) == (b in equal)]
    return int((adjusted[:, null] < 0.05).any(axis=1).sum())


def not_above(rate: float, hits: int, sweeps: int) -> bool:
    """Whether a share is not significantly above `rate` (one-sided, at p = .01)."""
    return bool(scipy.stats.binomtest(hits, sweeps, rate, alternative="greater").pvalue > 0.01)


def not_above_5_percent(hits: int, sweeps: int) -> bool:
    return not_above(0.05, hits, sweeps)


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("name", TRUTHS)
def test_coverage_and_false_conclusions(name: str, seeds: int) -> None:
    truth = TRUTHS[name]
    values = draw_scores(truth, seeds, [truth.null] * len(LOSSES))
    mean = coverage(values, truth.null)
    if name in SYMMETRIC:
        assert 0.93 - ALLOWED * mean.error <= mean.value <= 0.97 + ALLOWED * mean.error
    else:  # SCIENCE: .88, .88, .90 and .84, .82, .84, which the report warns about
        assert 0.78 <= mean.value <= 0.92
    gaps = np.stack([values[:, a] - values[:, b] for a, b in PAIRS], axis=1)
    difference = coverage(gaps, 0.0)
    assert difference.value >= 0.93 - ALLOWED * difference.error
    assert not_above_5_percent(false_conclusions(values, list(range(5))), SWEEPS)
    mixed = draw_scores(truth, seeds, [truth.null] * 3 + [truth.better] * 2)
    assert not_above_5_percent(false_conclusions(mixed, [0, 1, 2]), SWEEPS)


@pytest.mark.parametrize("name", ["normal", "binomial, p = 0.95"])
def test_compare_gives_these_intervals_and_tests(name: str) -> None:
    truth = TRUTHS[name]
    for seed in range(3):
        means = [truth.null] * len(LOSSES)
        comparison = simulate(truth, 4, means, np.random.default_rng(seed))
        values = truth.draw(np.random.default_rng(seed), 4, np.array(means))
        values = values.reshape(len(LOSSES), 4, -1).mean(-1)
        rows = t_test(values)
        for index, loss in enumerate(LOSSES):
            expected = None if np.isnan(rows.low[index]) else (rows.low[index], rows.high[index])
            assert comparison.estimate(loss, truth.metric).interval == pytest.approx(expected)
        p = t_test(np.stack([values[a] - values[b] for a, b in PAIRS])).p
        adjusted = dict(zip(PAIRS, holm(np.nan_to_num(p, nan=1.0)), strict=True))
        for pair in comparison.pairs["all", truth.metric]:
            if not pair.note:
                a, b = sorted((LOSSES.index(pair.a), LOSSES.index(pair.b)))
                assert pair.p_holm == pytest.approx(adjusted[a, b], rel=1e-6)


def test_the_simulation_has_the_truth_that_it_claims() -> None:
    for truth in TRUTHS.values():
        means = np.array([truth.null] * 3 + [truth.better] * 2)
        scores = truth.draw(np.random.default_rng(0), 4000, means).reshape(5, 4000, -1).mean(-1)
        error = scores.std(axis=1) / np.sqrt(4000)
        assert (np.abs(scores.mean(axis=1) - means) < 4 * error).all(), truth.name
    normal = TRUTHS["normal"].draw(np.random.default_rng(0), 4000, np.full(5, 5.0))
    assert np.corrcoef(normal)[0, 1] == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_table_through_compare() -> None:
    """A process of its own: there shapes are not checked, and a sweep takes 4 ms."""
    sweeps = 500
    options = ["--only", "coverage", "--sweeps", str(sweeps)]
    command = [sys.executable, "scripts/benchmark/calibration.py", *options]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    table = [line for line in text.splitlines() if line.startswith("|")]
    lines = [re.split(r" *\| *", line.strip("| ")) for line in table[2:]]
    assert len(lines) == 18
    for name, _, *cells in lines:
        (mean, mean_error), (gap, gap_error), _, (false, _), (partly, _), (warned, _) = (
            map(float, cell.split(" ± ")) for cell in cells
        )
        if name in SYMMETRIC:
            assert 93 - ALLOWED * mean_error <= mean <= 97 + ALLOWED * mean_error
        else:
            assert 78 <= mean <= 92
        assert gap >= 93 - ALLOWED * gap_error
        assert not_above_5_percent(round(false / 100 * sweeps), sweeps)
        # Skewed scores of few seeds hide their tail: docs/statistics.md says up to 6 %.
        rate = 0.05 if name in SYMMETRIC else 0.062
        assert not_above(rate, round(partly / 100 * sweeps), sweeps)
        if (name, cells) in [("exponential", lines[14][2:]), ("lognormal", lines[17][2:])]:
            assert warned > 80  # at ten seeds


def test_claims_are_false_as_rarely_as_they_say() -> None:
    """The mixture in which two separate Holm families err in up to 10 %, at 5 seeds."""
    result = claims((0.0, 0.0, 0.0, 0.1, 0.1), 5, 0.02, 0.1, 1000)
    assert not_above_5_percent(round(1000 * result.any.value), 1000)
    assert not not_above_5_percent(round(1000 * result.separate.value), 1000)
    assert result.bounds.value > 0.95 - ALLOWED * 0.007
    assert result.decided.value > 0.95


def test_a_page_claims_by_its_primary_metric_alone() -> None:
    each, together, primary = false_on_page(5, 400)
    assert each.value > 0.15
    for share in (together, primary):
        assert not_above_5_percent(round(400 * share.value), 400)


def test_a_plan_is_worth_what_its_first_sweep_knows() -> None:
    """Promised .8: kept at the true sd, missed from three seeds."""
    _, kept = promise(0.05, 0.1, 0.1, 400)
    assert kept.value == pytest.approx(0.8, abs=0.06)
    assert promise_from_pilot(0.1, 0.1, 3, 50).value < 0.7


@pytest.mark.parametrize("name", TRIALS)
def test_the_median_best_of_b_trials_lies_within_its_bounds(name: str) -> None:
    """Each bound fails in at most 2.5 % of studies, at every B that has one."""
    for side in bounds_hold(TRIALS[name], 16, 400):
        for share in side.values():
            assert share.value >= 0.975 - ALLOWED * 0.008, side


def test_the_band_of_the_mean_best_is_not_used_for_a_reason() -> None:
    assert dodge_band_covers(16, 16, 200).value < 0.65
