"""What decides whether a finished run is healthy, and how it is not."""

import math
from collections.abc import Mapping
from typing import Literal

from jepa_compare.metrics import COLLAPSED_SPREAD, PROBE_SET, SPREAD
from jepa_compare.runs.records import Status

BETTER_BY = 0.4
"""Share of the untrained encoder's probe error that learning must remove on a held-out set.

Measured on two rooms: an encoder that lr 1e-9 leaves untouched keeps 1.000 of the error (4 seeds),
the best of five random encoders has .71 of the error of the worst, healthy runs have .08 to .21 (16
runs). The value was chosen with these numbers known, and not tested on other sources."""
SPARE_DIRECTIONS = 1
"""Directions beyond those of the labels, below which latents are called low rank."""


def run_status(
    metrics: Mapping[str, float | None], untrained: Mapping[str, float | None]
) -> Status:
    """The status of a finished run, from its final metrics and those of its untrained encoder.

    `diverged` if its spread or its probe's R² is not finite. A probe whose error √(1 - R²) is on no
    held-out set below (1 - BETTER_BY) times the untrained encoder's has learned nothing that the
    labels show: `complete_collapse` if the latents hardly vary either (spread < COLLAPSED_SPREAD),
    else `no_better_than_untrained`. Latents that hardly vary and still are better are healthy: the
    probe divides by their own scale. Where there is no probe, for the source has no labels, the
    spread alone decides, and `no_better_than_untrained` cannot be told.

    Summaries of earlier versions call a run with a probe below the untrained encoder's and a larger
    spread `dimensional_collapse`. Such a run is `no_better_than_untrained` by this rule too, and is
    read as that; an earlier `healthy` was judged without a margin and is kept as it was written.
    """
    sets = [key for key in metrics if key.startswith(PROBE_SET)]
    measured = [_number(metrics[key]) for key in (SPREAD, *sets) if key in metrics]
    if not all(math.isfinite(value) for value in measured):
        return "diverged"
    constant = SPREAD in metrics and _number(metrics[SPREAD]) < COLLAPSED_SPREAD
    if not sets:
        return "complete_collapse" if constant else "healthy"
    if any(_error(metrics[key]) < (1 - BETTER_BY) * _error(untrained[key]) for key in sets):
        return "healthy"
    return "complete_collapse" if constant else "no_better_than_untrained"


def run_notes(
    status: Status, metrics: Mapping[str, float | None], label_dim: int | None
) -> list[Literal["low_rank"]]:
    """`low_rank` for a healthy run whose participation ratio is below the `label_dim` numbers of
    the probe's label plus SPARE_DIRECTIONS; nothing where there are no labels."""
    directions = _number(metrics.get("eval/participation_ratio"))
    low = label_dim is not None and directions < label_dim + SPARE_DIRECTIONS
    return ["low_rank"] if status == "healthy" and low else []


def _error(r2: float | None) -> float:
    """√(1 - R²): the root mean squared error in units of the labels' standard deviation."""
    return math.sqrt(max(0.0, 1 - _number(r2)))


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
