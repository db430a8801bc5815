"""Sizes and shapes: probability of improvement, interquartile mean, skewness, tasks in pairs."""

import math

import numpy as np
from jaxtyping import Float

from jepa_compare.statistics.intervals import ROUNDING

FEWEST_FOR_SHAPE = 5
"""Seeds from which an interquartile mean and a probability of improvement say something."""


def probability_of_improvement(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " m"], higher_is_better: bool = True
) -> float:
    """P(a run of x beats a run of y), ties counted half: the Mann-Whitney U over n · m.

    Agarwal et al. 2021 (arXiv 2108.13264, section 4.3). (1, 2, 3) against (2, 2, 4) has 2 wins and
    2 ties in 9, .333.
    """
    gaps = np.subtract.outer(np.asarray(x, float), np.asarray(y, float))
    wins = gaps > 0 if higher_is_better else gaps < 0
    return float(np.mean(wins + 0.5 * (gaps == 0)))


def interquartile_mean(values: Float[np.ndarray, " n"]) -> float:
    """Mean without the lowest and the highest ⌊n/4⌋ values, as `scipy.stats.trim_mean(.25)`."""
    ordered = np.sort(np.asarray(values, float))
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def skewness_z(values: Float[np.ndarray, "rows seeds"]) -> float:
    """How far the rows' skewness, pooled, lies from that of normal samples, in standard errors.

    g1 = m3/m2^1.5 of each row with at least three seeds; under normality its mean is 0 and its
    variance 6(n−2)/((n+1)(n+3)), exactly. Rows are pooled because one row of few seeds cannot
    show its skewness. NaN when there is no such row.
    """
    total, variance = 0.0, 0.0
    for row in np.asarray(values, float):
        there = row[~np.isnan(row)]
        n = len(there)
        centred = there - there.mean() if n else there
        m2 = float(np.mean(centred**2)) if n else 0.0
        if n < 3 or math.sqrt(m2) <= ROUNDING * max(1.0, float(np.abs(there).max())):
            continue
        total += float(np.mean(centred**3)) / m2**1.5
        variance += 6 * (n - 2) / ((n + 1) * (n + 3))
    return total / math.sqrt(variance) if variance else math.nan


def paired_by_task(
    a: Float[np.ndarray, " tasks"], b: Float[np.ndarray, " tasks"]
) -> tuple[float, int, int, int]:
    """Difference of two runs of one seed over the tasks that both have an outcome for.

    Returns (mean of a − b, tasks that only a solved, tasks that only b solved, tasks in common).
    Both arrays hold 1, 0 or NaN, in the same order of tasks. NaN without a common task.
    """
    common = ~(np.isnan(a) | np.isnan(b))
    if not common.any():
        return math.nan, 0, 0, 0
    gaps = a[common] - b[common]
    return float(gaps.mean()), int((gaps > 0).sum()), int((gaps < 0).sum()), int(common.sum())
