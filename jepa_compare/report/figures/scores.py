"""Figures of final scores: the primary metric, other downstream metrics, planning by kind."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jepa_compare.comparison.results import Comparison, Estimate, Reference, Row
from jepa_compare.metrics import Metric
from jepa_compare.report.figures.panels import Figure, Key, Panel
from jepa_compare.report.figures.style import (
    INK,
    MUTED,
    OTHER_REFERENCE,
    REFERENCE_STYLES,
    linear_axis,
    log_axis,
    row_style,
    wrapped,
)
from jepa_compare.report.tables import main_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 24
MOST_POINTS = 50
"""Seeds drawn as points, of one row."""
_MANY_TIMES = 10  # from this ratio of largest to smallest on, a scale is logarithmic
_ROW = 25.0  # points of height per row


def label_width(labels: Sequence[str]) -> float:
    """Points to the left of the axes that the longest line of `labels` takes."""
    return 16 + 6.0 * max((len(line) for label in labels for line in label.split("\n")), default=0)


def _points(estimate: Estimate) -> list[float]:
    return [estimate.scores[seed] for seed in sorted(estimate.scores)][:MOST_POINTS]


def is_wide(values: Sequence[float]) -> bool:
    """Whether positive values span so much that their scale is logarithmic."""
    return bool(values) and min(values) > 0 and max(values) / min(values) > _MANY_TIMES


def _direction(metric: Metric) -> str:
    return {"higher": "better →", "lower": "← better", None: metric.label}[metric.better]


def full_name(metric: Metric) -> str:
    """ "probe RMSE (px)"."""
    return metric.label + (f" ({metric.unit})" if metric.unit else "")


def _score_panel(
    comparison: Comparison, metric: Metric, rows: Sequence[Row], *, width: float, title: str
) -> Panel:
    """Rows from top to bottom: seeds as small points, mean and interval as a bar."""
    labels = [wrapped(row.label) for row in rows]
    floors = [r for r in comparison.references if metric.key in r.estimates]
    estimates = [comparison.estimate(row, metric) for row in rows]
    values = [value for estimate in estimates for value in _points(estimate)]
    log = not metric.is_success and is_wide(values)
    left = label_width(labels)
    ticks = max(2, min(5, int((width - left) / 40)))
    scored = sum(estimate.n > 0 for estimate in estimates)
    return Panel(
        title=title,
        draw=functools.partial(_draw_scores, estimates, labels, floors, metric, log, ticks),
        about=f"seeds, mean and 95 % interval of {scored} rows",
        width=width,
        height=62 + _ROW * len(rows),
        left=left,
    )


def _draw_scores(
    estimates: Sequence[Estimate],
    labels: Sequence[str],
    floors: Sequence[Reference],
    metric: Metric,
    log: bool,
    ticks: int,
    axes: "Axes",
) -> None:
    drawn = [value for estimate in estimates for value in _points(estimate)]
    lowest, highest = (min(drawn), max(drawn)) if drawn else (0.0, 1.0)
    if log:
        log_axis(axes, "x", lowest, highest)
    else:
        linear_axis(axes, "x", ticks)
    for place, estimate in enumerate(estimates):
        own = row_style(place)
        points = _points(estimate)
        axes.plot(
            points,
            np.full(len(points), place + 0.24),
            linestyle="none",
            marker=own.marker,
            markersize=3.4,
            markerfacecolor="none",
            markeredgecolor=own.colour,
            markeredgewidth=0.9,
        )
        if not points:
            axes.text(0.01, place, "no score", transform=axes.get_yaxis_transform(), color=MUTED)
            continue
        if estimate.interval is not None:
            low, high = estimate.interval
            low = max(low, lowest / 3) if log else low
            axes.plot([low, high], [place - 0.1] * 2, color=own.colour, linewidth=2.2)
        axes.plot([estimate.mean], [place - 0.1], own.marker, color=own.colour, markersize=6.5)
    if metric.is_success:
        axes.set_xlim(-0.03, 1.03)
    elif log:
        axes.set_xlim(lowest / 1.8, highest * 1.8)
    inside = axes.get_xlim()
    for reference in floors:
        value = reference.estimates[metric.key].mean
        if inside[0] <= value <= inside[1]:
            own = REFERENCE_STYLES.get(reference.policy, OTHER_REFERENCE)
            axes.axvline(value, color=own.colour, linestyle=own.line, linewidth=1, zorder=0.5)
    axes.set_xlim(inside)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_yticks(range(len(labels)), labels, color=INK)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel(_direction(metric))


def _floor_keys(comparison: Comparison, metrics: Sequence[Metric]) -> tuple[Key, ...]:
    """Each policy once, though a sweep over two worlds has two of its lines."""
    keys: dict[str, Key] = {}
    for reference in comparison.references:
        if any(metric.key in reference.estimates for metric in metrics):
            label = reference.label.partition(" (")[0]
            keys.setdefault(
                reference.policy,
                Key(label=label, style=REFERENCE_STYLES.get(reference.policy, OTHER_REFERENCE)),
            )
    return tuple(keys.values())


_HOW_SCORES = (
    "Small open marks are seeds, the large mark is their mean, the bar its 95 % t-interval. No bar:"
    " one seed, or no variance. Vertical lines are floors and ceilings on the same tasks: a row"
    " means what it is beyond its floors. Overlapping bars do not mean equal rows, since rows share"
    " seeds and tasks: the paired differences decide."
)


def _row_notes(comparison: Comparison, drawn: int) -> tuple[str, ...]:
    notes = []
    if len(comparison.rows) > drawn:
        notes.append(f"The first {drawn} of {len(comparison.rows)} rows are drawn.")
    if max(len(row.seeds) for row in comparison.rows) > MOST_POINTS:
        notes.append(f"Points: the first {MOST_POINTS} seeds of a row. Intervals are of all.")
    return tuple(notes)


def score_figure(comparison: Comparison) -> Figure:
    """The primary metric by row."""
    metric, rows = comparison.primary, comparison.rows[:MOST_ROWS]
    return Figure(
        name="main_metric",
        title=f"{metric.label.capitalize()} by row",
        panels=(_score_panel(comparison, metric, rows, width=400, title=full_name(metric)),),
        keys=_floor_keys(comparison, [metric]),
        how=_HOW_SCORES,
        notes=_row_notes(comparison, len(rows)),
        columns=1,
    )


def downstream_figure(comparison: Comparison) -> Figure | None:
    """The other downstream metrics of the main table, planning apart."""
    rows = comparison.rows[:MOST_ROWS]
    metrics = [
        metric
        for metric in main_columns(comparison)
        if metric.downstream and metric != comparison.primary and not metric.is_success
    ]
    if not metrics:
        return None
    return Figure(
        name="downstream",
        title="What else the latents are good for",
        panels=tuple(
            _score_panel(comparison, metric, rows, width=290, title=full_name(metric))
            for metric in metrics
        ),
        keys=_floor_keys(comparison, metrics),
        how="The same marks for the other downstream metrics. A scale that spans more than a factor"
        f" of {_MANY_TIMES} is logarithmic; a line outside the scale is not drawn.",
        notes=_row_notes(comparison, len(rows)),
    )


def planning_figure(comparison: Comparison) -> Figure | None:
    """Success by kind of task, the floors as lines."""
    rows = comparison.rows[:MOST_ROWS]
    metrics = [metric for metric in comparison.metrics if metric.is_success]
    if not metrics:
        return None
    return Figure(
        name="planning",
        title="Planning success by kind of task",
        panels=tuple(
            _score_panel(comparison, metric, rows, width=290, title=full_name(metric))
            for metric in metrics[:6]
        ),
        keys=_floor_keys(comparison, metrics),
        how="Same: start and goal in one room. Door: in two rooms. Detour: through the door, and"
        " walking straight at the goal fails, so that only a plan solves it. A method that stays"
        " at the straight line's level has learned to walk, not to plan.",
        notes=_row_notes(comparison, len(rows)),
    )
