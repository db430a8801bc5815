"""Pure functions on arrays: intervals, paired tests, corrections, effect sizes.

Shape legend: rows of scores [rows seeds] and pairs of rows [pairs seeds], NaN where a seed is
missing. The independent unit is the seed: tasks within a seed share one training run. With the 3
to 10 seeds that people run, t holds its level where the bootstrap does not (a percentile bootstrap
of a nominal 95 % interval covers 72 % at n = 3), so every interval here is a t-interval.
scipy is imported inside: the comparison half starts without it.
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

LEVEL = 0.95
ALPHA = 0.05
POWER = 0.8
"""Of the smallest detectable difference."""
FEWEST_FOR_SHAPE = 5
"""Seeds from which an interquartile mean and a probability of improvement say something."""

_ROUNDING = 1e-12  # below this, relative to the scores, a spread is rounding and not variance
_EXACT_FLIPS = 12  # seeds up to which all 2^n sign patterns are enumerated
_RANDOM_FLIPS = 20_000


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MeanTest:
    """Means of the rows of an array with their t-intervals, and t-tests of mean zero."""

    n: Int[np.ndarray, " rows"]
    """Seeds that are there."""
    mean: Float[np.ndarray, " rows"]
    sd: Float[np.ndarray, " rows"]
    """Sample standard deviation; NaN for n < 2."""
    low: Float[np.ndarray, " rows"]
    """NaN, as `high` and `p`, where n < 2 or nothing varies: no interval, no test."""
    high: Float[np.ndarray, " rows"]
    p: Float[np.ndarray, " rows"]
    """Two-sided, uncorrected."""

    def interval(self, row: int) -> tuple[float, float] | None:
        """(low, high) of one row; None where there is no interval."""
        low, high = float(self.low[row]), float(self.high[row])
        return None if math.isnan(low) else (low, high)


def t_test(values: Float[np.ndarray, "rows seeds"], level: float = LEVEL) -> MeanTest:
    """Student's t over the last axis, NaN ignored: mean ± t · sd/√n, and the test of mean zero.

    On scores it gives the interval of a mean, on differences by seed the paired t-test. Agrees
    with `scipy.stats.ttest_1samp` and `ttest_rel`. A row without variance has neither interval
    nor p: with it t would claim certainty from three equal numbers.
    """
    from scipy.special import stdtr, stdtrit

    values = np.asarray(values, dtype=float)
    there = ~np.isnan(values)
    n = there.sum(axis=1)
    filled = np.where(there, values, 0.0)
    mean = filled.sum(axis=1) / np.where(n > 0, n, np.nan)
    squares = np.where(there, filled - np.nan_to_num(mean)[:, None], 0.0) ** 2
    sd = np.sqrt(squares.sum(axis=1) / np.where(n > 1, n - 1, np.nan))
    scale = np.maximum(1.0, np.abs(filled).max(axis=1, initial=0.0))
    usable = (n > 1) & ~(sd <= _ROUNDING * scale)
    df = np.where(usable, n - 1, np.nan)
    error = np.where(usable, sd, np.nan) / np.sqrt(np.maximum(n, 1))
    half = stdtrit(df, (1 + level) / 2) * error
    p = 2 * stdtr(df, -np.abs(mean / error))
    return MeanTest(n=n, mean=mean, sd=sd, low=mean - half, high=mean + half, p=p)


def holm(p: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """Holm's step-down adjusted p-values (1979); the family is every p that is not NaN.

    Sorted ascending, the i-th smallest of m is multiplied by m − i + 1, and may not fall below
    the one before it. p = (.01, .04, .03) becomes (.03, .06, .06).
    """
    adjusted = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * factors))
    return adjusted


def sign_flip(differences: Float[np.ndarray, "pairs seeds"]) -> Float[np.ndarray, " pairs"]:
    """p of the permutation test that flips the sign of each seed's difference, two-sided.

    Up to 12 seeds all 2^n patterns are used, as `scipy.stats.permutation_test` does for paired
    samples; beyond, 20,000 fixed random ones, with the observed one counted. Its smallest value is
    2/2^n: .031 at n = 6. NaN for fewer than two seeds or when no difference is there.
    """
    differences = np.asarray(differences, dtype=float)
    p = np.full(len(differences), np.nan)
    there = ~np.isnan(differences)
    counts = there.sum(axis=1)
    for n in np.unique(counts[counts > 1]):
        chosen = np.flatnonzero(counts == n)
        table = differences[chosen][there[chosen]].reshape(len(chosen), n)
        tolerance = 1e-9 * np.abs(table).sum(axis=1)  # equal sums must count as equal
        observed = np.abs(table.sum(axis=1))
        hits, patterns = np.zeros(len(chosen)), 0
        for signs in _signs(int(n)):
            hits += (np.abs(signs @ table.T) >= observed - tolerance).sum(axis=0)
            patterns += len(signs)
        exact = n <= _EXACT_FLIPS
        share = hits / patterns if exact else (hits + 1) / (patterns + 1)
        p[chosen] = np.where(tolerance > 0, share, np.nan)
    return p


def _signs(n: int) -> Iterator[Float[np.ndarray, "patterns n"]]:
    """All patterns of ±1 up to 12 seeds, beyond that a fixed random sample of them, in blocks.

    A pattern and its opposite give the same absolute sum: half of all, the last sign kept, do.
    """
    if n <= _EXACT_FLIPS:
        codes = np.arange(2 ** (n - 1))[:, None]
        yield 1.0 - 2.0 * ((codes >> np.arange(n)) & 1)
        return
    rng = np.random.default_rng(0)
    rest = _RANDOM_FLIPS
    while rest:
        block = min(rest, max(1, 10**6 // n))
        yield 2.0 * rng.integers(0, 2, size=(block, n), dtype=np.int8) - 1.0
        rest -= block


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


def detectable_difference(sd: float, n: int, alpha: float = ALPHA) -> float:
    """The mean difference that a paired t-test with n seeds finds with power .8 at level alpha.

    sd is that of the differences. Solves P(|T| > t_crit) = .8 for the noncentrality δ of
    T ~ t(n−1, δ); the difference is δ · sd/√n. For one of m pairs, alpha is .05/m: what Holm asks
    of the first of them. NaN for n < 2.
    """
    if n < 2 or not math.isfinite(sd):
        return math.nan
    return _noncentrality(n, alpha) * sd / math.sqrt(n)


@functools.lru_cache(maxsize=1024)
def _noncentrality(n: int, alpha: float) -> float:
    """δ, by averaging the normal power over quantiles of the estimated standard deviation.

    (scipy's noncentral t returns NaN for one degree of freedom and a large δ.)
    """
    from scipy.special import gammaincinv, ndtr, stdtrit

    critical = -float(stdtrit(n - 1, alpha / 2))
    quantiles = (np.arange(10_000) + 0.5) / 10_000
    bar = critical * np.sqrt(2 * gammaincinv((n - 1) / 2, quantiles) / (n - 1))
    low, high = 0.0, 4.0 + 4.0 * critical
    for _ in range(60):  # bisection: power grows with δ
        middle = (low + high) / 2
        power = float(np.mean(ndtr(middle - bar) + ndtr(-middle - bar)))
        low, high = (middle, high) if power < POWER else (low, middle)
    return high


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
        if n < 3 or math.sqrt(m2) <= _ROUNDING * max(1.0, float(np.abs(there).max())):
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
