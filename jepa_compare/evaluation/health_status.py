"""What decides whether a finished run is healthy, and how it is not."""

import math
from collections.abc import Mapping

from jepa_compare.metrics import COLLAPSED_SPREAD, PROBE_SET, SPREAD
from jepa_compare.runs.records import Status


def run_status(
    metrics: Mapping[str, float | None], untrained: Mapping[str, float | None]
) -> Status:
    """The status of a finished run, from its final metrics and those of its untrained encoder.

    `diverged` if its spread or its probe's R² is not finite. A probe that is worse than the
    untrained encoder's on every held-out set is a collapse: `complete_collapse` if the latents
    hardly vary either (spread < COLLAPSED_SPREAD), else `dimensional_collapse`. Where there is no
    probe, for the source has no labels, the spread alone decides.
    """
    sets = [key for key in metrics if key.startswith(PROBE_SET)]
    measured = [_number(metrics[key]) for key in (SPREAD, *sets) if key in metrics]
    if not all(math.isfinite(value) for value in measured):
        return "diverged"
    constant = SPREAD in metrics and _number(metrics[SPREAD]) < COLLAPSED_SPREAD
    if sets:
        worse = all(_number(metrics[key]) < _number(untrained[key]) for key in sets)
    else:
        worse = constant
    if not worse:
        return "healthy"
    return "complete_collapse" if constant else "dimensional_collapse"


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
