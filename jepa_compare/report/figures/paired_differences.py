"""The figure of paired differences, a forest plot."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jepa_compare.comparison.conclusion import p_text
from jepa_compare.comparison.results import Comparison, Pair
from jepa_compare.metrics import Metric
from jepa_compare.report.figures.figure import Figure, Key, Panel
from jepa_compare.report.figures.scores import MOST_POINTS
from jepa_compare.report.figures.style import (
    INK,
    MUTED,
    TEXT_SIZE,
    RowStyle,
    label_width,
    linear_axis,
    row_axis,
    row_style,
    short,
)
from jepa_compare.report.tables import full_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PAIRS = 30
_BETTER = RowStyle(colour=row_style(0).colour, marker="o")
_EQUAL = RowStyle(colour=MUTED, marker="s", hollow=True)
_UNDECIDED = RowStyle(colour=MUTED, marker="D", dash=(3, 1.5), hollow=True)


def pair_figure(comparison: Comparison) -> Figure | None:
    """Paired differences in the primary metric."""
    metric = comparison.primary
    pairs = comparison.primary_pairs
    if not pairs:
        return None
    drawn = pairs[:MOST_PAIRS]
    rest = len(pairs) - len(drawn)
    labels = [f"{short(pair.a, 22)}\n− {short(pair.b, 20)}" for pair in drawn]
    panel = Panel(
        title=f"a − b, {full_name(metric)}",
        draw=functools.partial(_draw_pairs, drawn, labels, metric),
        about=f"{len(drawn)} paired differences with 95 % intervals",
        width=400,
        height=66 + 31 * len(drawn),
        left=label_width(labels),
        right=58,
    )
    favour = {"higher": "right of zero favours a", "lower": "left of zero favours a"}
    return Figure(
        title=f"Paired differences in {metric.label}",
        panels=(panel,),
        keys=(
            Key(label="one is better (corrected p < .05)", style=_BETTER),
            Key(label="equal within the smallest effect", style=_EQUAL),
            Key(label="not separable", style=_UNDECIDED),
        ),
        how="Each line is a pair of rows, a − b: small marks are seeds, the large mark their mean,"
        " the bar the 95 % paired t-interval of this comparison alone"
        f"{'; ' + favour[metric.better] if metric.better else ''}. p is corrected for all"
        " pairs, so a bar may clear zero and the pair not be separable. Why a pair has"
        " no test is in the table.",
        notes=(f"{rest} more pairs are in the table and in comparison.json.",) if rest else (),
        columns=1,
    )


def _style(pair: Pair) -> RowStyle:
    if pair.separable:
        return _BETTER
    equal = pair.decision is not None and pair.decision.answer == "equal"
    return _EQUAL if equal else _UNDECIDED


def _draw_pairs(pairs: Sequence[Pair], labels: Sequence[str], metric: Metric, axes: "Axes") -> None:
    linear_axis(axes, "x", 4)
    for place, pair in enumerate(pairs):
        style = _style(pair)
        points = list(pair.differences.values())[:MOST_POINTS]
        below = [place + 0.26] * len(points)
        axes.plot(points, below, linestyle="none", marker="|", markersize=6, color=style.colour)
        if pair.interval is not None:
            ends = [place - 0.06] * 2
            axes.plot(pair.interval, ends, color=style.colour, linewidth=2, linestyle=style.line)
        if points:
            axes.plot([pair.mean], [place - 0.06], **style.points, markersize=6)
        axes.text(
            1.03,
            place,
            "no test" if pair.note else p_text(pair.p_holm),
            transform=axes.get_yaxis_transform(),
            va="center",
            color=style.colour,
            fontsize=TEXT_SIZE - 1,
        )
    axes.axvline(0, color=INK, linewidth=0.9, zorder=0.6)
    row_axis(axes, labels, f"difference in {full_name(metric)}")
