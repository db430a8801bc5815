"""How many seeds a paired comparison needs, and what a number of seeds can see.

Powers are those of Student's t with an estimated standard deviation: given the estimate, the mean
is normal, and its power is averaged over quantiles of the estimate. (scipy's noncentral t returns
NaN for one degree of freedom and a large noncentrality.)
"""

import functools
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from jepa_compare.statistics.intervals import ALPHA

POWER = 0.8
MOST_SEEDS = 10_000
"""Beyond, "no number of seeds" is the honest answer."""


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
    """δ of `detectable_difference`, by bisection: power grows with δ."""
    low, high = 0.0, 4.0 + 4.0 * critical_value(n, alpha / 2)
    for _ in range(60):
        middle = (low + high) / 2
        power = power_to_decide(n, middle / math.sqrt(n), alpha, None)
        low, high = (middle, high) if power < POWER else (low, middle)
    return high


def power_to_decide(n: int, difference: float, alpha: float, margin: float | None) -> float:
    """Probability that n seeds decide a pair, everything in units of the differences' sd.

    Decided is a two-sided t-test of 0 at level alpha, or, with a margin, both one-sided tests of
    ±margin at level alpha (equal). Undecided is a mean between the two: for an estimate s,
    margin − t_α·s/√n ≤ |mean| ≤ t_{α/2}·s/√n.
    """
    from scipy.special import ndtr

    s, root = _estimates_of_one(n), math.sqrt(n)
    far = critical_value(n, alpha / 2) * s
    near = np.zeros_like(s)
    if margin is not None:
        near = np.minimum(far, np.maximum(0.0, margin * root - critical_value(n, alpha) * s))
    shift = difference * root
    band = ndtr(far - shift) - ndtr(near - shift) + ndtr(-near - shift) - ndtr(-far - shift)
    return 1.0 - float(np.mean(band))


def seeds_to_decide(
    *,
    sd: float,
    difference: float,
    pairs: int,
    margin: float | None = None,
    power: float = POWER,
) -> int | None:
    """The fewest seeds with which a pair is decided with this power.

    sd and difference are those of the paired differences, taken as the truth. The level is
    .05/pairs, which the step-down correction asks of the first of them: conservative. Decided
    means better or, with a margin, equal within it; without one, a difference of 0 is never
    decided. None above `MOST_SEEDS`, and where there is no positive sd.
    """
    if not (math.isfinite(sd) and math.isfinite(difference)) or sd <= 0:
        return None
    scaled = None if margin is None else margin / sd
    return _fewest(
        lambda n: power_to_decide(n, difference / sd, ALPHA / max(1, pairs), scaled), power
    )


def _fewest(power_of: Callable[[int], float], power: float) -> int | None:
    """The fewest n from 2 with this power, which grows with n: doubling, then bisection."""
    high = 2
    while power_of(high) < power:
        if high >= MOST_SEEDS:
            return None
        high = min(MOST_SEEDS, 2 * high)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if middle >= 2 and power_of(middle) >= power else (middle, high)
    return high


def sd_range(sd: float, n: int, level: float = 0.8) -> tuple[float, float]:
    """The equal-tailed interval of a true standard deviation, from one of n normal values.

    Three seeds know it to a factor of .66 to 3.1 (level .8): what a plan from few seeds is worth.
    NaN for n < 2.
    """
    from scipy.special import gammaincinv

    if n < 2:
        return math.nan, math.nan
    tails = np.array([(1 + level) / 2, (1 - level) / 2])
    low, high = sd / np.sqrt(2 * gammaincinv((n - 1) / 2, tails) / (n - 1))
    return float(low), float(high)


@functools.lru_cache(maxsize=4096)
def critical_value(n: int, tail: float) -> float:
    """What t with n − 1 degrees of freedom exceeds with probability `tail`."""
    from scipy.special import stdtrit

    return -float(stdtrit(n - 1, tail))


@functools.lru_cache(maxsize=256)
def _estimates_of_one(n: int) -> Float[np.ndarray, " quantiles"]:
    """Quantiles of the sample standard deviation of n normal values whose sd is 1."""
    from scipy.special import gammaincinv

    quantiles = (np.arange(2_000) + 0.5) / 2_000
    return np.sqrt(2 * gammaincinv((n - 1) / 2, quantiles) / (n - 1))
