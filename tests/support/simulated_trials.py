"""Trials of a tuning with known truth: do the bounds of the median best of B trials hold?"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.stats

from jepa_compare.statistics import median_best_of
from tests.support.simulated import Share

Draw = Callable[[np.random.Generator, int, int], np.ndarray]
"""(generator, studies, trials) to scores [studies trials]."""
_KNOWN_BY = 1_000_000  # draws that stand for the distribution


@dataclass(frozen=True, kw_only=True)
class Trials:
    """How the scores of trials are distributed."""

    draw: Draw
    higher_is_better: bool = True


def _half_collapse(rng: np.random.Generator, studies: int, trials: int) -> np.ndarray:
    """Success rates over 44 tasks; of a collapsed trial .02 exactly, so that many are tied."""
    rate = rng.beta(4, 2, (studies, trials))
    scores = np.round(rng.binomial(44, rate) / 44, 2)
    return np.where(rng.random((studies, trials)) < 0.5, 0.02, scores)


def _surface(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A peak in a box of two parameters, and the noise of a seed; [studies trials 2]."""
    distance = ((points - (0.35, 0.6)) ** 2).sum(axis=-1)
    return 0.9 * np.exp(-distance / 0.08) + rng.normal(0, 0.07, points.shape[:-1])


def _random_search(rng: np.random.Generator, studies: int, trials: int) -> np.ndarray:
    return _surface(rng.random((studies, trials, 2)), rng)


def _sobol(rng: np.random.Generator, studies: int, trials: int) -> np.ndarray:
    def points() -> np.ndarray:
        return scipy.stats.qmc.Sobol(2, scramble=True, rng=rng).random(trials)

    return _surface(np.stack([points() for _ in range(studies)]), rng)


TRIALS = {
    "normal": Trials(draw=lambda rng, studies, trials: rng.normal(size=(studies, trials))),
    "lognormal errors": Trials(
        draw=lambda rng, studies, trials: np.exp(rng.normal(size=(studies, trials))),
        higher_is_better=False,
    ),
    "half collapse": Trials(draw=_half_collapse),
    "a peak, random search": Trials(draw=_random_search),
    "a peak, scrambled Sobol": Trials(draw=_sobol),
}


def bounds_hold(
    truth: Trials, trials: int, studies: int
) -> tuple[dict[int, Share], dict[int, Share]]:
    """By B, as far as there are bounds: studies whose bound towards worse scores holds, and towards
    better ones."""
    independent = _random_search if truth.draw is _sobol else truth.draw
    known = independent(np.random.default_rng(0), 1, _KNOWN_BY)[0]
    known = known if truth.higher_is_better else -known
    scores = truth.draw(np.random.default_rng([1, trials]), studies, trials)
    holds: tuple[dict[int, list[float]], dict[int, list[float]]] = ({}, {})
    quantiles = np.quantile(known, 0.5 ** (1 / np.arange(1.0, trials + 1)), method="inverted_cdf")
    for of_study in scores:
        for best in median_best_of(of_study, higher_is_better=truth.higher_is_better):
            ends = (best.low, best.high) if truth.higher_is_better else (-best.high, -best.low)
            median = quantiles[best.budget - 1]
            if not np.isnan(ends[0]):
                holds[0].setdefault(best.budget, []).append(ends[0] <= median)
            if not np.isnan(ends[1]):
                holds[1].setdefault(best.budget, []).append(median <= ends[1])
    lower, upper = ({b: Share.of(of) for b, of in side.items()} for side in holds)
    return lower, upper


def dodge_band_covers(trials: int, budget: int, studies: int) -> Share:
    """Studies in which the 95 % percentile bootstrap of the mean best of B holds the true one.

    Dodge et al. 2019 (arXiv 1909.03004), on normal scores: what is not used here.
    """
    rng = np.random.default_rng([2, trials, budget])
    true = rng.normal(size=(100_000, budget)).max(axis=1).mean()
    places = np.arange(trials + 1) / trials
    weights = np.diff(places**budget)  # of the sorted trials, in the mean best of B
    covered = []
    for scores in rng.normal(size=(studies, trials)):
        drawn = np.sort(scores[rng.integers(trials, size=(500, trials))], axis=1) @ weights
        low, high = np.quantile(drawn, (0.025, 0.975))
        covered.append(low <= true <= high)
    return Share.of(covered)
