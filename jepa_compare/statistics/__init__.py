"""Pure functions on arrays: intervals, paired tests, corrections, decisions, effect sizes, power.

They know nothing of runs and rows. This is the door: what other files use is named here.
"""

from jepa_compare.statistics.best_of import (
    BestOf,
    median_best_of,
    share_near_best,
    wilson,
)
from jepa_compare.statistics.decisions import Answer, Decision, decide
from jepa_compare.statistics.effects import (
    FEWEST_FOR_SHAPE,
    interquartile_mean,
    paired_by_task,
    probability_of_improvement,
    skewness_z,
)
from jepa_compare.statistics.intervals import ALPHA, LEVEL, MeanTest, t_test
from jepa_compare.statistics.power import (
    POWER,
    detectable_difference,
    power_to_decide,
    sd_range,
    seeds_to_decide,
)
from jepa_compare.statistics.tests import holm, sign_flip
from jepa_compare.statistics.variance import correlation_over_seeds, task_widening

__all__ = [
    "ALPHA",
    "FEWEST_FOR_SHAPE",
    "LEVEL",
    "POWER",
    "Answer",
    "BestOf",
    "Decision",
    "MeanTest",
    "correlation_over_seeds",
    "decide",
    "detectable_difference",
    "holm",
    "interquartile_mean",
    "median_best_of",
    "paired_by_task",
    "power_to_decide",
    "probability_of_improvement",
    "sd_range",
    "seeds_to_decide",
    "share_near_best",
    "sign_flip",
    "skewness_z",
    "t_test",
    "task_widening",
    "wilson",
]
