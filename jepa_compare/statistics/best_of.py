"""What a number of trials buys: the median best of B trials with its bounds, shares, robustness.

One trial of a loss is a draw from the distribution F of its scores over the search space and over
seeds. The best of B independent trials has the distribution F^B, so its median is the quantile
.5^(1/B) of F, and order statistics of the n trials bound a quantile whatever F is (David and
Nagaraja 2003, section 7.1): the number of trials below it is binomial. The mean of the best of B
(Dodge et al. 2019, arXiv 1909.03004) has no such bound: its bootstrap band is drawn from the very
trials whose best it is about, and covers half of what it says at B = n.
scipy is imported inside: the comparison half starts without it.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from jepa_compare.statistics.intervals import LEVEL


@dataclass(frozen=True, kw_only=True, slots=True)
class BestOf:
    """The median best of `budget` trials, estimated from n of them."""

    budget: int
    value: float
    """The sample quantile."""
    low: float
    """Bounds, each of which the true median passes with probability .025 at most; NaN where n
    trials have none. `low` and `high` are in the metric's unit, `low` the smaller one."""
    high: float


def median_best_of(
    scores: Float[np.ndarray, " n"], *, higher_is_better: bool = True, level: float = LEVEL
) -> tuple[BestOf, ...]:
    """The median best of B = 1 … n trials; nothing without a trial.

    Of 16 trials the bound towards better scores exists for B ≤ 3 alone: beyond, all n trials may
    well lie below the median best of B, since .5^(n/B) > .025. Ties only widen what is covered.
    Raises ValueError for a score that is not finite.
    """
    from scipy.special import bdtr

    scores = np.asarray(scores, float)
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite: leave trials without a score out")
    sign = 1.0 if higher_is_better else -1.0
    ordered, n, tail = np.sort(sign * scores), len(scores), (1 - level) / 2
    if not n:
        return ()
    quantiles = 0.5 ** (1 / np.arange(1.0, n + 1))
    values = np.quantile(ordered, quantiles, method="averaged_inverted_cdf")
    # [budgets trials]: probability that at most 0 … n - 1 trials lie below the quantile
    below = bdtr(np.arange(float(n))[None], n, quantiles[:, None])
    surely_below = (below <= tail).sum(axis=1)
    first_not_below = (below < 1 - tail).sum(axis=1)
    curve: list[BestOf] = []
    for i, value in enumerate(values):
        worse = ordered[surely_below[i] - 1] if surely_below[i] else math.nan
        better = ordered[first_not_below[i]] if first_not_below[i] < n else math.nan
        low, high = (worse, better) if higher_is_better else (-better, -worse)
        curve.append(
            BestOf(budget=i + 1, value=float(sign * value), low=float(low), high=float(high))
        )
    return tuple(curve)


def wilson(hits: int, n: int, level: float = LEVEL) -> tuple[float, float] | None:
    """The interval of a share, Wilson 1927; None of nothing. 0 of 16 is [0, .19].

    It lies within [0, 1], and has a width where no or every trial is a hit.
    """
    from scipy.special import ndtri

    if not n:
        return None
    z2 = float(ndtri((1 + level) / 2)) ** 2
    centre = (hits + z2 / 2) / (n + z2)
    half = math.sqrt(z2 * (hits * (n - hits) / n + z2 / 4)) / (n + z2)
    return (0.0 if hits == 0 else centre - half), (1.0 if hits == n else centre + half)


def share_near_best(
    scores: Float[np.ndarray, " n"], margin: float, *, higher_is_better: bool = True
) -> float:
    """Share of trials less than or just `margin` worse than the best one; NaN without a trial.

    1: any setting of the range does. 1/n: nothing but the best one does. A rounding error beyond
    the margin is within it.
    """
    scores = np.asarray(scores, float)
    if not len(scores):
        return math.nan
    gaps = scores.max() - scores if higher_is_better else scores - scores.min()
    return float(np.mean(gaps <= margin * (1 + 1e-9)))
