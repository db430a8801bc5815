"""Where the variance lies: what pairing by seed bought, what the choice of tasks adds."""

import itertools
import math

import numpy as np
from jaxtyping import Float


def correlation_over_seeds(scores: Float[np.ndarray, "rows seeds"]) -> float:
    """How alike rows vary over seeds: 2·Σcov / Σ(var + var) over all pairs of rows.

    Pairing multiplies the variance of a difference by 1 minus this: 0 means that it bought
    nothing, .5 that it halved it. Each pair counts with the seeds that both rows have; NaN where no
    pair has three, or nothing varies.
    """
    shared = spread = 0.0
    for a, b in itertools.combinations(np.asarray(scores, float), 2):
        common = ~(np.isnan(a) | np.isnan(b))
        if common.sum() < 3:
            continue
        table = np.cov(a[common], b[common])
        shared += 2 * float(table[0, 1])
        spread += float(table[0, 0] + table[1, 1])
    return shared / spread if spread > 0 else math.nan


def task_widening(outcomes: Float[np.ndarray, "seeds tasks"]) -> float:
    """The factor by which a standard error grows if the tasks, too, are a sample.

    `outcomes`: success, or the difference of two rows' success, by seed and task; tasks that miss a
    seed are left out. In the two-way random-effects model without replication (Cornfield and Tukey
    1956) the variance of the grand mean is (MS_seeds + MS_tasks − MS_rest)/(seeds · tasks), and
    MS_seeds/(seeds · tasks) given the tasks; the factor is the root of their ratio, at least 1.
    NaN for fewer than two seeds or tasks, or without variance over seeds.
    """
    table = np.asarray(outcomes, float)
    table = table[:, ~np.isnan(table).any(axis=0)]
    seeds, tasks = table.shape
    if min(seeds, tasks) < 2:
        return math.nan
    of_seeds, of_tasks = table.mean(axis=1), table.mean(axis=0)
    rest = table - of_seeds[:, None] - of_tasks + table.mean()
    ms_seeds = tasks * float(of_seeds.var(ddof=1))
    ms_tasks = seeds * float(of_tasks.var(ddof=1))
    ms_rest = float((rest**2).sum()) / ((seeds - 1) * (tasks - 1))
    if ms_seeds <= 1e-12:
        return math.nan
    return math.sqrt(max(1.0, (ms_seeds + ms_tasks - ms_rest) / ms_seeds))
