"""Figures of final scores: the primary metric, other downstream metrics, planning by kind."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jepa_compare.comparison.results import Comparison, Estimate, Reference, Row
from jepa_compare.metrics import Metric
from jepa_compare.report.figures.figure import Figure, Key, Panel
from jepa_compare.report.figures.style import (
    MUTED,
    OTHER_REFERENCE,
    REFERENCE_STYLES,
    label_width,
    linear_axis,
    log_axis,
    row_axis,
    row_style,
    wrapped,
)
from jepa_compare.report.tables import full_name, main_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 24
MOST_POINTS = 50
"""Seeds drawn as points, of one row."""
_MANY_TIMES = 10  # from this ratio of largest to smallest on, a scale is logarithmic
_ROW = 25.0  # points of height per row


def _points(estimate: Estimate) -> list[float]:
    return [estimate.scores[seed] for seed in sorted(estimate.scores)][:MOST_POINTS]


def is_wide(values: Sequence[float]) -> bool:
    """Whether positive values span so much that their scale is logarithmic."""
    return bool(values) and min(values) > 0 and max(values) / min(values) > _MANY_TIMES


def _direction(metric: Metric) -> str:
    return {"higher": "better →", "lower": "← better", None: metric.label}[metric.better]


def _score_panel(
    comparison: Comparison, metric: Metric, rows: Sequence[Row], width: float
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
        title=full_name(metric),
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
        style = row_style(place)
        points = _points(estimate)
        axes.plot(
            points,
            np.full(len(points), place + 0.24),
            linestyle="none",
            marker=style.marker,
            markersize=3.4,
            markerfacecolor="none",
            markeredgecolor=style.colour,
            markeredgewidth=0.9,
        )
        if not points:
            axes.text(0.01, place, "no score", transform=axes.get_yaxis_transform(), color=MUTED)
            continue
        if estimate.interval is not None:
            low, high = estimate.interval
            low = max(low, lowest / 3) if log else low
            axes.plot([low, high], [place - 0.1] * 2, color=style.colour, linewidth=2.2)
        axes.plot([estimate.mean], [place - 0.1], **style.points, markersize=6.5)
    if metric.is_success:
        axes.set_xlim(-0.03, 1.03)
    elif log:
        axes.set_xlim(lowest / 1.8, highest * 1.8)
    inside = axes.get_xlim()
    for reference in floors:
        value = reference.estimates[metric.key].mean
        if inside[0] <= value <= inside[1]:
            style = REFERENCE_STYLES.get(reference.policy, OTHER_REFERENCE)
            axes.axvline(value, color=style.colour, linestyle=style.line, linewidth=1, zorder=0.5)
    axes.set_xlim(inside)
    row_axis(axes, labels, _direction(metric))


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


def _figure(
    comparison: Comparison,
    metrics: Sequence[Metric],
    title: str,
    how: str,
    *,
    width: float = 290,
    columns: int = 3,
) -> Figure | None:
    """A panel per metric; None without a metric."""
    rows = comparison.rows[:MOST_ROWS]
    if not metrics:
        return None
    return Figure(
        title=title,
        panels=tuple(_score_panel(comparison, metric, rows, width) for metric in metrics),
        keys=_floor_keys(comparison, metrics),
        how=how,
        notes=_row_notes(comparison, len(rows)),
        columns=columns,
    )


def score_figure(comparison: Comparison) -> Figure | None:
    """The primary metric by row."""
    metric = comparison.primary
    title = f"{metric.label.capitalize()} by row"
    return _figure(comparison, [metric], title, _HOW_SCORES, width=400, columns=1)


def downstream_figure(comparison: Comparison) -> Figure | None:
    """The other downstream metrics of the main table, planning apart."""
    metrics = [
        metric
        for metric in main_columns(comparison)
        if metric.downstream and metric != comparison.primary and not metric.is_success
    ]
    return _figure(
        comparison,
        metrics,
        "What else the latents are good for",
        "The same marks for the other downstream metrics. A scale that spans more than a factor"
        f" of {_MANY_TIMES} is logarithmic; a line outside the scale is not drawn.",
    )


def planning_figure(comparison: Comparison) -> Figure | None:
    """Success by kind of task, the floors as lines."""
    return _figure(
        comparison,
        [metric for metric in comparison.metrics if metric.is_success][:6],
        "Planning success by kind of task",
        "Same: start and goal in one room. Door: in two rooms. Detour: through the door, and"
        " walking straight at the goal fails, so that only a plan solves it. A method that stays"
        " at the straight line's level has learned to walk, not to plan.",
    )
