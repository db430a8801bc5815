"""Do the intervals cover, and how often is a claim false? Simulated sweeps with known truth.

    python scripts/benchmark/calibration.py                2,000 sweeps a line; docs/statistics.md
    python scripts/benchmark/calibration.py --sweeps 200   a first impression
    python scripts/benchmark/calibration.py --only claims  one of the five tables

Five losses and 3, 5 or 10 seeds. `coverage`: six distributions of scores, each sweep through
`jepa_compare.comparison.compare`. `claims`: what `decide` says of normal scores, with a margin of
.1 and the sd of a paired difference as detour success has it. `page`: eight metrics on a page.
`promise`: the seeds that would decide. `best_of`: bounds of the median best of B trials of one
loss. Markdown tables, in per cent with the Monte-Carlo standard error. Seeded: the same command
prints the same tables.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.claims import claims, false_on_page, promise, promise_from_pilot
from tests.support.simulated import TRUTHS, calibrate
from tests.support.simulated_trials import TRIALS, bounds_hold, dodge_band_covers

SEEDS = (3, 5, 10)
MARGIN = 0.1
SCENES = {
    "all equal": (0.0,) * 5,
    "two groups, .1 apart": (0.0, 0.0, 0.0, MARGIN, MARGIN),
    ".1 apart in a row": (0.0, 0.1, 0.2, 0.3, 0.4),
    "as the main table": (0.90, 0.88, 0.62, 0.28, 0.05),
}


def coverage(sweeps: int) -> None:
    _head(
        "scores over seeds",
        "seeds",
        "interval of a mean covers",
        "of a paired difference",
        "means without an interval",
        "false claims, all equal",
        "false claims, two of five better",
        "warned of skew",
    )
    for index, truth in enumerate(TRUTHS.values()):
        for seeds in SEEDS:
            rng = np.random.default_rng([index, seeds])
            result = calibrate(truth, seeds, sweeps, rng)
            shares = (result.mean, result.difference, result.without, result.false, result.partly)
            _line(truth.name, seeds, *shares, result.warned)


def claim_table(sweeps: int) -> None:
    _head(
        "truth",
        "sd",
        "seeds",
        "false better",
        "false equal",
        "any false claim",
        "two separate Holm families",
        "any false claim or at-least",
        "all bounds hold",
        "pairs decided",
        "differing pairs found",
        "by the rule before",
    )
    for name, means in SCENES.items():
        for sd in (0.02, 0.1):
            for seeds in SEEDS:
                r = claims(means, seeds, sd, MARGIN, sweeps)
                errors = (r.better, r.equal, r.any, r.separate, r.at_least)
                _line(name, sd, seeds, *errors, r.bounds, r.decided, r.found, r.found_before)


def page(sweeps: int) -> None:
    _head("seeds", "each metric its own family", "all in one family", "the primary metric alone")
    for seeds in SEEDS:
        _line(seeds, *false_on_page(seeds, sweeps))


def promises(sweeps: int) -> None:
    _head("true difference", "margin", "seeds that would decide", "decided with them")
    for difference, margin in ((0.2, None), (0.1, None), (0.0, 0.1), (0.03, 0.1), (0.05, 0.1)):
        seeds, share = promise(difference, margin, 0.1, sweeps)
        _line(difference, margin or "none", seeds, share)
    print()
    _head("seeds of the first sweep", "power of the plan for .1, promised 80")
    for pilot in SEEDS:
        _line(pilot, promise_from_pilot(0.1, 0.1, pilot, sweeps))


def best_of(sweeps: int) -> None:
    budgets = (1, 2, 3, 4, 8, 16, 32)
    _head(
        "scores of trials",
        "trials",
        *(f"B = {budget}" for budget in budgets),
        "the other bound, worst B",
    )
    for name, truth in TRIALS.items():
        for trials in (4, 16, 32):
            lower, upper = bounds_hold(truth, trials, sweeps)
            shares = (lower.get(budget, "-") for budget in budgets)
            worst = min(upper.values(), key=lambda share: share.value, default="-")
            _line(name, trials, *shares, worst)
    print()
    _head("trials", *(f"B = {budget}" for budget in (1, 4, 8, 16)))
    _line(16, *(dodge_band_covers(16, budget, sweeps) for budget in (1, 4, 8, 16)))


def _head(*titles: str) -> None:
    print("| " + " | ".join(titles) + " |")
    print("| --- " + "| ---: " * (len(titles) - 1) + "|", flush=True)


def _line(*cells: object) -> None:
    texts = ("-" if str(cell).startswith("nan") else str(cell) for cell in cells)
    print("| " + " | ".join(texts) + " |", flush=True)


TABLES = {
    "coverage": coverage,
    "claims": claim_table,
    "page": page,
    "promise": promises,
    "best_of": best_of,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sweeps", type=int, default=2000)
    parser.add_argument("--only", choices=TABLES, help="print one table")
    options = parser.parse_args()
    for name, table in TABLES.items():
        if options.only in (None, name):
            print(f"\n**{name}**\n")
            table(options.sweeps)


if __name__ == "__main__":
    main()
