"""Do the intervals cover, and how often is a conclusion false? Simulated sweeps with known truth.

    python scripts/benchmark/calibration.py                     2,000 sweeps a line; the README's
    python scripts/benchmark/calibration.py --sweeps 200        a first impression

Five losses and 3, 5 or 10 seeds; runs of one seed share half of their variance; every sweep goes
through `jepa_compare.comparison.compare`. Prints a Markdown table, in per cent with the Monte-Carlo
standard error. Seeded: the same command prints the same table.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.simulated import TRUTHS, calibrate

HEADER = (
    "scores over seeds",
    "seeds",
    "interval of a mean covers",
    "of a paired difference",
    "means without an interval",
    "false conclusions, all equal",
    "false conclusions, two of five better",
    "warned of skew",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sweeps", type=int, default=2000)
    options = parser.parse_args()
    print("| " + " | ".join(HEADER) + " |")
    print("| --- " + "| ---: " * (len(HEADER) - 1) + "|")
    for index, truth in enumerate(TRUTHS.values()):
        for seeds in (3, 5, 10):
            rng = np.random.default_rng([index, seeds])
            result = calibrate(truth, seeds, options.sweeps, rng)
            shares = (result.mean, result.difference, result.without, result.false, result.partly)
            cells = [truth.name, str(seeds), *map(str, shares), str(result.warned)]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
