"""What stands above and below the tables: what was compared, and how to read it."""

from jepa_compare.comparison.conclusion import plural
from jepa_compare.comparison.results import Comparison

PAIR_LEGEND = (
    "Paired by seed and evaluation task. The interval is that of one comparison; p, against no"
    " difference, is corrected for all pairs and for what is claimed of them; the sign-flip test is"
    " not corrected. Equal: within the smallest effect of interest. Detectable: what the corrected"
    " test finds with power .8."
)
_LEGEND = (
    "Mean over seeds ± half of the 95 % t-interval, of each cell alone. (1): one seed, so no"
    " interval. (=): no variance over seeds, so no interval. The primary metric alone, the first"
    " column, makes claims. Last rows: floors and ceilings."
)

EXPLORATORY = (
    "No claims: p is corrected by Holm over all of these metrics and pairs together. Probe R² and"
    " RMSE are one measurement: RMSE counts."
)


def main_legend(comparison: Comparison) -> str:
    """How to read the main table, and what its intervals leave out."""
    parts = [_LEGEND]
    if any(row.notes.get("low_rank") for row in comparison.rows):
        parts.append("Low rank: healthy, in hardly more directions than the labels have.")
    if comparison.task_widening is not None:
        parts.append(comparison.task_widening.sentence)
    return " ".join(parts)


def seeds_line(comparison: Comparison) -> str:
    """ "15 runs, 5 rows, 3 seeds"."""
    seeds = {run.seed for run in comparison.runs}
    numbers = {"run": len(comparison.runs), "row": len(comparison.rows), "seed": len(seeds)}
    return ", ".join(plural(n, noun) for noun, n in numbers.items())
