"""Figures of final scores: a metric by row, planning by kind, paired differences, sensitivity."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from jepa_compare.comparison.drift import LOSS, as_text
from jepa_compare.comparison.figures import Figure, Key, Panel
from jepa_compare.comparison.figures_style import (
    INK,
    MUTED,
    PAPER,
    REFERENCE_LOOKS,
    TEXT_SIZE,
    Look,
    linear_axis,
    log_axis,
    look,
    number_text,
    short,
    wrapped,
)
from jepa_compare.comparison.findings import Comparison, Estimate, Pair, Reference, Row
from jepa_compare.comparison.metrics import Metric
from jepa_compare.comparison.table import main_columns
from jepa_compare.comparison.verdict import p_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 24
MOST_PAIRS = 30
MOST_POINTS = 50
"""Seeds drawn as points, of one row."""
_MOST_SERIES = 12
_MANY_TIMES = 10  # from this ratio of largest to smallest on, a scale is logarithmic
_ROW = 25.0  # points of height per row
_SEPARABLE = Look(colour=look(0).colour, marker="o")
_NOT_SEPARABLE = Look(colour=MUTED, marker="D", dash=(3, 1.5))


def _rate(metric: Metric) -> bool:
    return metric.name.startswith("success_")


def _left(labels: Sequence[str]) -> float:
    return 16 + 6.0 * max((len(line) for label in labels for line in label.split("\n")), default=0)


def _points(estimate: Estimate) -> list[float]:
    return [estimate.scores[seed] for seed in sorted(estimate.scores)][:MOST_POINTS]


def _is_log(values: Sequence[float]) -> bool:
    return bool(values) and min(values) > 0 and max(values) / min(values) > _MANY_TIMES


def _direction(metric: Metric) -> str:
    return {"higher": "better →", "lower": "← better", None: metric.label}[metric.better]


def _name(metric: Metric) -> str:
    return metric.label + (f" ({metric.unit})" if metric.unit else "")


def _score_panel(
    comparison: Comparison, metric: Metric, rows: Sequence[Row], *, width: float, title: str
) -> Panel:
    """Rows from top to bottom: seeds as small points, mean and interval as a bar."""
    labels = [wrapped(row.label) for row in rows]
    floors = [r for r in comparison.references if metric.key in r.estimates]
    estimates = [comparison.estimate(row, metric) for row in rows]
    values = [value for estimate in estimates for value in _points(estimate)]
    log = not _rate(metric) and _is_log(values)
    scored = sum(estimate.n > 0 for estimate in estimates)
    return Panel(
        title=title,
        draw=functools.partial(_draw_scores, estimates, labels, floors, metric, log),
        about=f"seeds, mean and 95 % interval of {scored} rows",
        width=width,
        height=62 + _ROW * len(rows),
        left=_left(labels),
    )


def _draw_scores(
    estimates: Sequence[Estimate],
    labels: Sequence[str],
    floors: Sequence[Reference],
    metric: Metric,
    log: bool,
    axes: "Axes",
) -> None:
    drawn = [value for estimate in estimates for value in _points(estimate)]
    lowest, highest = (min(drawn), max(drawn)) if drawn else (0.0, 1.0)
    if log:
        log_axis(axes, "x", lowest, highest)
    else:
        linear_axis(axes, "x")
    for place, estimate in enumerate(estimates):
        own = look(place)
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
    if _rate(metric):
        axes.set_xlim(-0.03, 1.03)
    elif log:
        axes.set_xlim(lowest / 1.8, highest * 1.8)
    inside = axes.get_xlim()
    for reference in floors:
        value = reference.estimates[metric.key].mean
        if inside[0] <= value <= inside[1]:
            own = REFERENCE_LOOKS[reference.policy]
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
                reference.policy, Key(label=label, look=REFERENCE_LOOKS[reference.policy])
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
        panels=(_score_panel(comparison, metric, rows, width=400, title=_name(metric)),),
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
        if metric.downstream and metric != comparison.primary and not _rate(metric)
    ]
    if not metrics:
        return None
    return Figure(
        name="downstream",
        title="What else the latents are good for",
        panels=tuple(
            _score_panel(comparison, metric, rows, width=290, title=_name(metric))
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
    metrics = [metric for metric in comparison.metrics if _rate(metric)]
    if not metrics:
        return None
    return Figure(
        name="planning",
        title="Planning success by kind of task",
        panels=tuple(
            _score_panel(comparison, metric, rows, width=290, title=_name(metric))
            for metric in metrics[:6]
        ),
        keys=_floor_keys(comparison, metrics),
        how="Same: start and goal in one room. Door: in two rooms. Detour: through the door, and"
        " walking straight at the goal fails, so that only a plan solves it. A method that stays"
        " at the straight line's level has learned to walk, not to plan.",
        notes=_row_notes(comparison, len(rows)),
    )


def pair_figure(comparison: Comparison) -> Figure | None:
    """Paired differences in the primary metric."""
    metric = comparison.primary
    pairs = comparison.pairs.get(("all", metric.key), ())
    if not pairs:
        return None
    drawn = pairs[:MOST_PAIRS]
    rest = len(pairs) - len(drawn)
    labels = [f"{short(pair.a, 22)}\n− {short(pair.b, 20)}" for pair in drawn]
    panel = Panel(
        title=f"a − b, {_name(metric)}",
        draw=functools.partial(_draw_pairs, drawn, labels, metric),
        about=f"{len(drawn)} paired differences with 95 % intervals",
        width=400,
        height=66 + 31 * len(drawn),
        left=_left(labels),
        right=58,
    )
    favour = {"higher": "right of zero favours a", "lower": "left of zero favours a"}
    return Figure(
        name="paired_differences",
        title=f"Paired differences in {metric.label}",
        panels=(panel,),
        keys=(
            Key(label="separable (Holm-corrected p < .05)", look=_SEPARABLE),
            Key(label="not separable", look=_NOT_SEPARABLE),
        ),
        how="Each line is a pair of rows, a − b: small marks are seeds, the large mark their mean,"
        " the bar the 95 % paired t-interval of this comparison alone"
        f"{'; ' + favour[metric.better] if metric.better else ''}. p is corrected for all tested"
        " pairs (Holm), so a bar may clear zero and the pair not be separable. A pair without a"
        " test says why.",
        notes=(f"{rest} more pairs are in the table and in comparison.json.",) if rest else (),
        columns=1,
    )


def _draw_pairs(pairs: Sequence[Pair], labels: Sequence[str], metric: Metric, axes: "Axes") -> None:
    linear_axis(axes, "x", 4)
    for place, pair in enumerate(pairs):
        own = _SEPARABLE if pair.separable else _NOT_SEPARABLE
        points = list(pair.differences.values())[:MOST_POINTS]
        below = [place + 0.26] * len(points)
        axes.plot(points, below, linestyle="none", marker="|", markersize=6, color=own.colour)
        if pair.interval is not None:
            ends = [place - 0.06] * 2
            axes.plot(pair.interval, ends, color=own.colour, linewidth=2, linestyle=own.line)
        if points:
            axes.plot(
                [pair.mean],
                [place - 0.06],
                own.marker,
                color=own.colour,
                markerfacecolor=own.colour if pair.separable else PAPER,
                markersize=6,
            )
        axes.text(
            1.03,
            place,
            "no test" if pair.note else p_text(pair.p_holm),
            transform=axes.get_yaxis_transform(),
            va="center",
            color=own.colour,
            fontsize=TEXT_SIZE - 1,
        )
    axes.axvline(0, color=INK, linewidth=0.9, zorder=0.6)
    axes.set_ylim(len(pairs) - 0.45, -0.55)
    axes.set_yticks(range(len(pairs)), labels, color=INK)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel(f"difference in {_name(metric)}")


def sensitivity_figure(comparison: Comparison) -> Figure | None:
    """The primary metric against each numeric axis of the sweep."""
    found = [
        (axis, series)
        for axis in comparison.axes
        if axis != LOSS and (series := _series(comparison.rows, axis))
    ]
    if not found:
        return None
    names = list(dict.fromkeys(name for _, series in found for name in series))
    looks = {name: look(index) for index, name in enumerate(names[:_MOST_SERIES])}
    rest = len(names) - len(looks)
    return Figure(
        name="sensitivity",
        title=f"Sensitivity of {comparison.primary.label}",
        panels=tuple(
            Panel(
                title=_name(comparison.primary),
                draw=functools.partial(_draw_sensitivity, comparison, axis, series, looks),
                about=f"{comparison.primary.label} against {axis}",
                width=330,
                height=230,
            )
            for axis, series in found
        ),
        keys=tuple(Key(label=name, look=own) for name, own in looks.items()),
        how="Mean over seeds with the 95 % t-interval at each value that was swept; lines join the"
        " values of what is otherwise the same setting. A method that needs one exact value is"
        " worth less than its best point.",
        notes=(f"The first {len(looks)} of {len(names)} series are drawn.",) if rest else (),
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
            others = {**row.axes, **row.drift}
            rest = [as_text(v) for key, v in others.items() if key != axis and v is not None]
            series.setdefault(" · ".join(rest) or "all", []).append((float(value), row))
    if not any(len({value for value, _ in points}) > 1 for points in series.values()):
        return {}
    return {name: sorted(points, key=lambda p: p[0]) for name, points in series.items()}


def _draw_sensitivity(
    comparison: Comparison,
    axis: str,
    series: _Series,
    looks: Mapping[str, Look],
    axes: "Axes",
) -> None:
    metric = comparison.primary
    swept = sorted({value for points in series.values() for value, _ in points})
    if _is_log(swept):
        log_axis(axes, "x", swept[0], swept[-1])
    else:
        linear_axis(axes, "x")
    if len(swept) <= 6:
        axes.set_xticks(swept, [number_text(value) for value in swept])
    linear_axis(axes, "y")
    for name, points in series.items():
        if name not in looks:
            continue
        own = looks[name]
        scored = [(x, comparison.estimate(row, metric)) for x, row in points]
        scored = [(x, estimate) for x, estimate in scored if estimate.n]
        for x, estimate in scored:
            if estimate.interval is not None:
                axes.plot([x, x], estimate.interval, color=own.colour, linewidth=1.6, alpha=0.55)
        axes.plot(
            [x for x, _ in scored],
            [estimate.mean for _, estimate in scored],
            color=own.colour,
            linestyle=own.line,
            marker=own.marker,
            linewidth=1.6,
            markersize=5.5,
        )
    if _rate(metric):
        axes.set_ylim(-0.03, 1.03)
    axes.grid(axis="y")
    axes.set_xlabel(short(axis, 44))


Draw = Callable[[Comparison], Figure | None]
FIGURES: Mapping[str, Draw] = {
    "main_metric": score_figure,
    "downstream": downstream_figure,
    "paired_differences": pair_figure,
    "planning": planning_figure,
    "sensitivity": sensitivity_figure,
}
