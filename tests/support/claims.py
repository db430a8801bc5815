"""What `decide` claims of simulated sweeps with known truth: errors, power, bounds, kept promises.

Five losses; scores are normal over seeds, and sd is that of a paired difference.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jepa_compare.statistics import (
    ALPHA,
    decide,
    holm,
    power_to_decide,
    seeds_to_decide,
    t_test,
)
from tests.support.simulated import Share

PAIRS = tuple(itertools.combinations(range(5), 2))
FIRST, SECOND = (np.array(side) for side in zip(*PAIRS, strict=True))
METRICS = 8
"""Downstream metrics on the page of the default experiment."""
_SLACK = 1e-9


@dataclass(frozen=True, kw_only=True)
class Claims:
    """Shares of sweeps, the last two of pairs."""

    better: Share
    """With a false "better": equal rows, or the wrong direction."""
    equal: Share
    """With a false "equal" or "by less than": a true difference of the margin or more."""
    any: Share
    """With a false claim of any kind, "by the margin or more" with them."""
    separate: Share
    """The same if better and equal were two Holm families, each at 5 %."""
    at_least: Share
    """With a false decision, or an "at least" above the true size."""
    bounds: Share
    """In which all simultaneous bounds hold."""
    decided: Share
    """Of the pairs: better or equal."""
    found: Share
    """Of the pairs that truly differ: better."""
    found_before: Share
    """The same for Holm's test of 0 alone, the rule before there was a margin."""


def claims(
    means: Sequence[float], seeds: int, sd: float, margin: float, sweeps: int, seed: int = 0
) -> Claims:
    """Decide `sweeps` sweeps with these true means."""
    rng = np.random.default_rng([seed, seeds])
    truth = np.subtract(*(np.array(means)[side] for side in (FIRST, SECOND)))
    table = []
    for _ in range(sweeps):
        scores = np.array(means)[:, None] + sd / math.sqrt(2) * rng.normal(size=(5, seeds))
        table.append(_one(scores[FIRST] - scores[SECOND], truth, margin))
    return Claims(**{name: Share.of([row[name] for row in table]) for name in table[0]})


def _one(differences: np.ndarray, truth: np.ndarray, margin: float) -> dict[str, float]:
    decisions = decide(differences, margin)
    mean = np.array([d.mean for d in decisions])
    far = np.abs(truth) > margin - _SLACK
    wrong = mean * truth <= 0
    better = np.array([d.answer == "better" for d in decisions])
    within = np.array([d.within_margin for d in decisions])
    beyond = np.array([d.beyond_margin for d in decisions])
    false_better, false_equal = (better & wrong).any(), (within & far).any()
    false = false_better or false_equal or (beyond & ~far).any()
    low, high = (np.array([getattr(d, side) for d in decisions]) for side in ("low", "high"))
    at_least = np.array([d.at_least for d in decisions])
    differ = truth != 0
    before = holm(t_test(differences).p) < ALPHA
    equal_alone = holm(_equivalence_p(differences, margin)) < ALPHA
    return {
        "better": float(false_better),
        "equal": float(false_equal),
        "any": float(false),
        "separate": float((before & wrong).any() or (equal_alone & far).any()),
        "at_least": float(false or (at_least > np.abs(truth) + _SLACK).any()),
        "bounds": float(((low <= truth + _SLACK) & (truth - _SLACK <= high)).all()),
        "decided": float(np.mean([d.answer != "undecided" for d in decisions])),
        "found": float((better & ~wrong)[differ].mean()) if differ.any() else math.nan,
        "found_before": float((before & ~wrong)[differ].mean()) if differ.any() else math.nan,
    }


def _equivalence_p(differences: np.ndarray, margin: float) -> np.ndarray:
    """The larger p of the two one-sided tests."""
    p = [t_test(differences + shift) for shift in (-margin, margin)]
    return np.maximum(
        np.where(p[0].mean < 0, p[0].p / 2, 1 - p[0].p / 2),
        np.where(p[1].mean > 0, p[1].p / 2, 1 - p[1].p / 2),
    )


def false_on_page(seeds: int, sweeps: int) -> tuple[Share, Share, Share]:
    """Sweeps of equal losses with a false claim somewhere among the page's eight metrics, which
    correlate by .5: each metric its own Holm family (the rule before), one family of all metrics
    and pairs (the exploratory p, below .05), the primary metric alone (the rule)."""
    rng = np.random.default_rng([1, seeds])
    each, together, primary = [], [], []
    for _ in range(sweeps):
        shared, alone = rng.normal(size=(1, 5, seeds)), rng.normal(size=(METRICS, 5, seeds))
        scores = shared + alone
        gaps = scores[:, FIRST] - scores[:, SECOND]
        p = t_test(gaps.reshape(-1, seeds)).p.reshape(METRICS, len(PAIRS))
        each.append(float(any((holm(row) < ALPHA).any() for row in p)))
        together.append(float((holm(p) < ALPHA).any()))
        primary.append(float(any(d.answer != "undecided" for d in decide(gaps[0], None))))
    return Share.of(each), Share.of(together), Share.of(primary)


def promise(difference: float, margin: float | None, sd: float, sweeps: int) -> tuple[int, Share]:
    """The seeds that would decide one pair of ten, and how often they do."""
    n = seeds_to_decide(sd=sd, difference=difference, pairs=len(PAIRS), margin=margin)
    assert n is not None
    rng = np.random.default_rng(2)
    others = np.zeros((len(PAIRS) - 1, n))  # they count, and settle nothing
    decided = [
        decide(np.vstack([difference + sd * rng.normal(size=(1, n)), others]), margin)[0].answer
        != "undecided"
        for _ in range(sweeps)
    ]
    return n, Share.of(decided)


def promise_from_pilot(difference: float, sd: float, pilot: int, pilots: int) -> Share:
    """The power that a plan has if the sd is that of `pilot` seeds: mean over pilots."""
    rng = np.random.default_rng([3, pilot])
    powers = []
    for _ in range(pilots):
        seen = float(rng.normal(scale=sd, size=pilot).std(ddof=1))
        n = seeds_to_decide(sd=seen, difference=difference, pairs=len(PAIRS))
        assert n is not None
        powers.append(power_to_decide(n, difference / sd, ALPHA / len(PAIRS), None))
    return Share.of(powers)
