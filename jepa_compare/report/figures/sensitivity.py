"""The figure of the primary metric against the numbers that a sweep varied."""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jepa_compare.comparison.differences import LOSS_KEYS, as_text
from jepa_compare.comparison.results import Comparison, Row
from jepa_compare.report.figures.figure import Figure, Key, Panel
from jepa_compare.report.figures.scores import is_wide
from jepa_compare.report.figures.style import (
    RowStyle,
    linear_axis,
    log_axis,
    number_text,
    row_style,
    short,
)
from jepa_compare.report.tables import full_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_SERIES = 12
_MOST_AXES = 6


def sensitivity_figure(comparison: Comparison) -> Figure | None:
    """The primary metric against each numeric axis of the sweep."""
    swept = [
        (axis, series)
        for axis in comparison.rows[0].axes
        if axis not in LOSS_KEYS and (series := _series(comparison.rows, axis))
    ][:_MOST_AXES]
    if not swept:
        return None
    names = list(dict.fromkeys(name for _, series in swept for name in series))
    row_styles = {name: row_style(index) for index, name in enumerate(names[:_MOST_SERIES])}
    rest = len(names) - len(row_styles)
    return Figure(
        title=f"Sensitivity of {comparison.primary.label}",
        panels=tuple(
            Panel(
                title=full_name(comparison.primary),
                draw=functools.partial(_draw_sensitivity, comparison, axis, series, row_styles),
                about=f"{comparison.primary.label} against {axis}",
                width=330,
                height=230,
            )
            for axis, series in swept
        ),
        keys=tuple(Key(label=name, style=style) for name, style in row_styles.items()),
        how="Mean over seeds with the 95 % t-interval at each value that was swept; lines join the"
        " values of what is otherwise the same setting. A method that needs one exact value is"
        " worth less than its best point.",
        notes=(f"The first {len(row_styles)} of {len(names)} series are drawn.",) if rest else (),
    )


_Series = Mapping[str, list[tuple[float, Row]]]


def _series(rows: Sequence[Row], axis: str) -> _Series:
    """Rows that differ in `axis` alone, in the order of its numbers, by what they have in common.

    Empty unless some of them have two values.
    """
    series: dict[str, list[tuple[float, Row]]] = {}
    for row in rows:
        value = row.axes.get(axis)
        if isinstance(value, (int, float)) and math.isfinite(value):
            others = {**row.axes, **row.unswept}
            rest = [as_text(v) for key, v in others.items() if key != axis and v is not None]
            series.setdefault(" · ".join(rest) or "all", []).append((float(value), row))
    if not any(len({value for value, _ in points}) > 1 for points in series.values()):
        return {}
    return {name: sorted(points, key=lambda p: p[0]) for name, points in series.items()}


def _draw_sensitivity(
    comparison: Comparison,
    axis: str,
    series: _Series,
    row_styles: Mapping[str, RowStyle],
    axes: "Axes",
) -> None:
    metric = comparison.primary
    swept = sorted({value for points in series.values() for value, _ in points})
    if is_wide(swept):
        log_axis(axes, "x", swept[0], swept[-1])
    else:
        linear_axis(axes, "x")
    if len(swept) <= 6:
        axes.set_xticks(swept, [number_text(value) for value in swept])
    linear_axis(axes, "y")
    for name, points in series.items():
        if name not in row_styles:
            continue
        style = row_styles[name]
        scored = [(x, comparison.estimate(row, metric)) for x, row in points]
        scored = [(x, estimate) for x, estimate in scored if estimate.n]
        for x, estimate in scored:
            if estimate.interval is not None:
                axes.plot([x, x], estimate.interval, color=style.colour, linewidth=1.6, alpha=0.55)
        axes.plot(
            [x for x, _ in scored],
            [estimate.mean for _, estimate in scored],
            **style.options,
            linewidth=1.6,
            markersize=5.5,
        )
    if metric.is_success:
        axes.set_ylim(-0.03, 1.03)
    axes.grid(axis="y")
    axes.set_xlabel(short(axis, 44))
