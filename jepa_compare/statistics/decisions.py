"""What may be claimed of many pairs at once: better, equal within a margin, or undecided.

One family: every pair of one primary metric, and everything that is claimed of them. Of a pair with
the true mean difference θ and the margin δ three hypotheses may be rejected:

    no difference      θ = 0       two-sided t-test; rejecting it claims *better*
    not equivalent     |θ| ≥ δ     both one-sided t-tests (TOST, Schuirmann 1987): *less than δ*
    not beyond         |θ| < δ     t-test of ±δ at α/2: *by δ or more*

**Why one family.** No θ makes "no difference" and "not equivalent" true together, and "not beyond"
is rejected only where "no difference" is; so at any truth a pair errs with probability at most c if
each of its hypotheses is tested at level c, and c = α/m for m pairs keeps all false claims, better
and equal together, at α (Bonferroni; any dependence between pairs). Two separate Holm families
would not: where half of the pairs are equal and half differ by just δ each kind errs with up to α.

**The step-down.** A pair is *settled*, and stops counting, once nothing false is left to claim of
it: without a margin when it is better (this is Holm 1979), with one when it is better and known to
lie on one side of the margin. The others are then tested at α over the pairs left. For a pair
settled as "less than δ" that is Shaffer's (1986) use of the number of hypotheses that can be true
together, and exact. One settled as "by δ or more" leaves "not equivalent" untested although it
may be true; had it been tested at c, it would have been rejected only if the mean fell t_c standard
errors *below* δ, and the pair left because it lies t_{c/2} *above*. At a θ where the second happens
often the first does not: where both are likeliest, at θ = δ, α grows to α(1 + c/2). The simulation
(`scripts/benchmark/calibration.py`) finds no excess.

**Bounds.** `low` and `high` are the t-interval at 1 − α/m (Bonferroni), so all pairs' bounds hold
together with probability 1 − α; then they are cut to what was decided (0 for better, ±δ for equal
or beyond; as in Strassburger and Bretz 2008, whose bounds for Holm are 0 unless every pair is
rejected, which says too little). A bound so never contradicts a decision. The bounds are a
statement beside the decisions, each held to α; a reader of the decisions and of every `at_least`
(one side of each interval) meets a false one in at most 1.5α of sweeps.

**No variance, no claim.** Of identical differences t would claim certainty from three equal
numbers, so such a pair is undecided, whatever its mean, and counts in m: leaving it out would let
the data choose the family. Nor is a pair better whose mean is below `resolution`, what the tables
print as 0.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from jepa_compare.statistics.intervals import ALPHA, MeanTest, t_test
from jepa_compare.statistics.power import seeds_to_decide

Answer = Literal["better", "equal", "undecided"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What is claimed of one pair, from its paired differences a − b."""

    answer: Answer
    """`better`: the mean differs from 0, in the direction of its sign (of the difference: whether
    higher is better is not known here). `equal`: within the margin, and not better."""
    within_margin: bool
    """The difference is smaller than the margin: of every equal pair, and of a better one that is
    "better, by less than .10"."""
    beyond_margin: bool
    """Better, by the margin or more."""
    n: int
    """The pair's own common seeds."""
    mean: float
    """NaN without a seed."""
    sd: float
    """Of the differences over seeds; NaN for n < 2."""
    p_better: float
    """Two-sided, of no difference, corrected for the whole family; NaN where there is no test."""
    p_equal: float
    """Of both one-sided tests, corrected for the whole family; NaN without a margin or a test."""
    low: float
    """Lower simultaneous bound of the true difference; NaN where there is no test."""
    high: float
    margin: float | None
    pairs: int
    """Pairs in the family."""
    why: Literal["", "no seed", "one seed", "no variance"]
    """Why there is no test; "" where there is one."""

    @property
    def at_least(self) -> float:
        """Of a better pair, the size that its difference has at least, ≥ 0; else NaN."""
        if self.answer != "better":
            return math.nan
        return self.low if self.mean > 0 else -self.high

    @property
    def seeds_needed(self) -> int | None:
        """Seeds that would decide the pair with power .8 if its mean and sd were the truth.

        None where no number does or nothing can be said. An estimate: with few seeds the sd, and
        near 0 the difference, are hardly known. `seeds_to_decide` answers for a chosen effect.
        """
        if self.why:
            return None
        return seeds_to_decide(
            sd=self.sd, difference=self.mean, pairs=self.pairs, margin=self.margin
        )


def decide(
    differences: Float[np.ndarray, "pairs seeds"],
    margin: float | None,
    *,
    resolution: float = 0.0,
    alpha: float = ALPHA,
) -> tuple[Decision, ...]:
    """Decide every pair of one family; NaN where a pair lacks a seed.

    The family is every pair with at least two seeds. (A pair that must not be tested is handed in
    as a row of NaN.) `margin`: the smallest effect of interest, in the metric's unit; without one
    no pair is called equal. Raises ValueError for a margin that is not positive.
    """
    if margin is not None and not (math.isfinite(margin) and margin > 0):
        raise ValueError(f"margin must be positive, got {margin}: use None to call no pair equal")
    if not len(differences):
        return ()
    test = t_test(differences)
    family = int((test.n > 1).sum())
    p = _three_p(test, margin)
    adjusted = _step_down(p, family, margin is not None)
    bounds = t_test(differences, level=1 - alpha / max(1, family))
    decisions: list[Decision] = []
    for i, (none, equal, beyond) in enumerate(adjusted <= alpha):
        mean = float(test.mean[i])
        better = bool(none and abs(mean) >= resolution)
        within, beyond = bool(equal), bool(beyond and better)
        low, high = _cut(
            float(bounds.low[i]), float(bounds.high[i]), mean, bool(none), within, beyond, margin
        )
        decisions.append(
            Decision(
                answer="better" if better else "equal" if within else "undecided",
                within_margin=within,
                beyond_margin=beyond,
                n=int(test.n[i]),
                mean=mean,
                sd=float(test.sd[i]),
                p_better=float(adjusted[i, 0]),
                p_equal=float(adjusted[i, 1]),
                low=low,
                high=high,
                margin=margin,
                pairs=family,
                why=_why_no_test(int(test.n[i]), float(test.p[i])),
            )
        )
    return tuple(decisions)


def _three_p(test: MeanTest, margin: float | None) -> Float[np.ndarray, "pairs 3"]:
    """p of no difference, not equivalent, not beyond; NaN where there is no test."""
    from scipy.special import stdtr

    p = np.full((len(test.n), 3), np.nan)
    p[:, 0] = test.p
    if margin is not None:
        df = np.where(np.isnan(test.p), np.nan, test.n - 1)
        error = np.where(np.isnan(test.p), np.nan, test.sd / np.sqrt(np.maximum(test.n, 1)))
        t = (np.abs(test.mean) - margin) / error
        p[:, 1] = stdtr(df, t)  # the larger of the two one-sided p
        p[:, 2] = np.minimum(1.0, 2 * stdtr(df, -t))
    return p


def _step_down(
    p: Float[np.ndarray, "pairs 3"], family: int, with_margin: bool
) -> Float[np.ndarray, "pairs 3"]:
    """Adjusted p: the smallest alpha at which the step-down rejects each hypothesis.

    Repeatedly: the smallest p left times the pairs that are not settled, never below the one
    before.
    """
    adjusted, left = np.full(p.shape, np.nan), np.where(np.isnan(p), np.inf, p)
    done = np.zeros(p.shape, bool)
    reached, unsettled = 0.0, family
    for _ in range(int(np.isfinite(left).sum())):
        pair, which = divmod(int(np.argmin(left)), 3)
        reached = min(1.0, max(reached, float(p[pair, which]) * unsettled))
        adjusted[pair, which], left[pair, which] = reached, np.inf
        done[pair, which] = True
        settled = done[:, 0] & (done[:, 1:].any(axis=1) if with_margin else True)
        unsettled = max(1, family - int(settled.sum()))
    return adjusted


def _cut(
    low: float,
    high: float,
    mean: float,
    differs: bool,
    within: bool,
    beyond: bool,
    margin: float | None,
) -> tuple[float, float]:
    """The bounds, cut to what was decided."""
    if within and margin is not None:
        low, high = max(low, -margin), min(high, margin)
    least = margin if beyond and margin is not None else 0.0
    if differs and mean > 0:
        low = max(low, least)
    elif differs:
        high = min(high, -least)
    return low, high


def _why_no_test(n: int, p: float) -> Literal["", "no seed", "one seed", "no variance"]:
    if n < 2:
        return "one seed" if n else "no seed"
    return "no variance" if math.isnan(p) else ""
