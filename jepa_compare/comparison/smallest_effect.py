"""The smallest difference of interest: the margin within which rows are called equal."""

from collections.abc import Iterable

from jepa_compare.comparison.runs import Run
from jepa_compare.metrics import Metric

_SETTING = "evaluation.smallest_effect"
_OF_SUCCESS = 0.1  # of runs from before it was a setting


def recorded_effects(runs: Iterable[Run], metric: Metric) -> tuple[float, ...]:
    """Every value that the runs' configurations state for this metric, ascending; usually one."""
    found: set[float] = set()
    for run in runs:
        if any(key.startswith(_SETTING) for key in run.config):
            value = run.config.get(f"{_SETTING}.{metric.name}")
            if isinstance(value, (int, float)) and value > 0:
                found.add(float(value))
        elif metric.is_success:
            found.add(_OF_SUCCESS)
    return tuple(sorted(found))


def smallest_effect(runs: Iterable[Run], metric: Metric) -> float | None:
    """The smallest of `recorded_effects`: where runs disagree, equal is said least often."""
    return next(iter(recorded_effects(runs, metric)), None)
