"""Figures of a study: what a number of trials buys, each parameter against score, fresh seeds."""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jepa_compare.comparison.results import Comparison
from jepa_compare.comparison.tuning.results import EDGE, LossTuning, Mean, Parameter, Tuning
from jepa_compare.metrics import Metric
from jepa_compare.report.figures.figure import Figure, Key, Panel
from jepa_compare.report.figures.style import (
    GRID,
    RowStyle,
    label_width,
    linear_axis,
    number_text,
    row_axis,
    row_style,
    short,
    wrapped,
)
from jepa_compare.report.tables import full_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_LOSSES = 12
_MOST_PARAMETERS = 24
_SHIPPED = RowStyle(dash=(4, 2))
_TRIAL, _BAD = RowStyle(marker="o"), RowStyle(marker="o", hollow=True)
_CONFIRMED, _SELECTED = RowStyle(marker="^"), RowStyle(marker="D")
_FRESH, _FRESH_SHIPPED = RowStyle(marker="o"), RowStyle(marker="s", hollow=True)
_CONFIRMING, _ITS_TRIAL = RowStyle(marker="^", hollow=True), RowStyle(marker="v", hollow=True)


def _styles(comparison: Comparison) -> dict[str, RowStyle]:
    """By loss, as its row is drawn elsewhere; then those that have no row."""
    losses = [row.runs[0].loss for row in comparison.rows]
    losses += [loss.loss for tuning in comparison.tuning for loss in tuning.losses]
    return {loss: row_style(index) for index, loss in enumerate(dict.fromkeys(losses))}


def _title(comparison: Comparison, tuning: Tuning, title: str) -> str:
    """With the study's seed where there are several studies."""
    several = len(comparison.tuning) > 1
    return short(f"study {tuning.study.study_seed}: {title}" if several else title, 44)


def best_of_figure(comparison: Comparison) -> Figure | None:
    """The median best of B trials against B: all losses, then each with its bounds."""
    styles = _styles(comparison)
    panels: list[Panel] = []
    notes: list[str] = []
    drawn: dict[str, None] = {}
    for tuning in comparison.tuning:
        losses = [loss for loss in tuning.losses if loss.best_of]
        if len(losses) > _MOST_LOSSES:
            notes.append(f"The first {_MOST_LOSSES} of {len(losses)} losses are drawn.")
        losses = losses[:_MOST_LOSSES]
        drawn |= dict.fromkeys(loss.loss for loss in losses)
        parts = [("all losses", losses)] if len(losses) > 1 else []
        parts += [(loss.loss, [loss]) for loss in losses]
        inside = _range(losses)
        panels += [
            Panel(
                title=_title(comparison, tuning, title),
                draw=functools.partial(_draw_best_of, of_panel, styles, tuning.metric, inside),
                about=f"median best of B trials of {len(of_panel)} losses",
            )
            for title, of_panel in parts
        ]
    if not panels:
        return None
    return Figure(
        title="What a number of trials buys",
        panels=tuple(panels),
        keys=tuple(Key(label=loss, style=styles[loss]) for loss in drawn),
        how="Of two people who tune a loss with B trials each, one gets more than the line and one"
        " less. The band is bounded by order statistics of the trials, 97.5 % on each side; where"
        " it opens to one side, these trials have no bound there. A line that still rises at its"
        " end wants more trials. Scores are of single trials, on tuning seeds.",
        notes=tuple(notes),
    )


def _range(losses: Sequence[LossTuning]) -> tuple[float, float]:
    """Of all lines and bounds, so that the panels of a study can be compared."""
    values = [end for loss in losses for best in loss.best_of for end in (best.value, best.low)]
    values += [best.high for loss in losses for best in loss.best_of]
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    slack = 0.06 * (max(finite) - min(finite) or 1.0)
    return min(finite) - slack, max(finite) + slack


def _draw_best_of(
    losses: Sequence[LossTuning],
    styles: Mapping[str, RowStyle],
    metric: Metric,
    inside: tuple[float, float],
    axes: "Axes",
) -> None:
    linear_axis(axes, "y", 4)
    trials = max(len(loss.best_of) for loss in losses)
    for loss in losses:
        style, budgets = styles[loss.loss], [best.budget for best in loss.best_of]
        every = max(1, len(budgets) // 6)
        values = [best.value for best in loss.best_of]
        axes.plot(budgets, values, **style.options, linewidth=1.6, markersize=4, markevery=every)
        if len(losses) > 1:
            continue
        for sign in ("low", "high"):
            ends = [getattr(best, sign) for best in loss.best_of]
            where = [math.isfinite(end) for end in ends]
            axes.fill_between(
                budgets, values, ends, where=where, color=style.colour, alpha=0.16, linewidth=0
            )
            axes.plot(budgets, ends, color=style.colour, linewidth=0.9)
    axes.set_xticks(sorted({1, *(round(trials * part / 4) for part in range(1, 5))} - {0}))
    axes.set_xlim(0.6, trials + 0.4)
    axes.set_ylim(inside)
    axes.grid(axis="y")
    axes.set_xlabel(f"trials; {metric.label} of the best")


def parameters_figure(comparison: Comparison) -> Figure | None:
    """Each searched parameter against the score of the trials."""
    styles = _styles(comparison)
    panels = [
        Panel(
            title=_title(comparison, tuning, f"{loss.loss}: {parameter.key.rpartition('.')[2]}"),
            draw=functools.partial(
                _draw_parameter, loss, parameter, styles[loss.loss], _scores(tuning)
            ),
            about=f"score of {len(loss.trials)} trials against {parameter.key}",
        )
        for tuning in comparison.tuning
        for loss in tuning.losses
        for parameter in loss.parameters
        if any(math.isfinite(trial.score) for trial in loss.trials)
    ]
    if not panels:
        return None
    drawn = panels[:_MOST_PARAMETERS]
    rest = len(panels) - len(drawn)
    return Figure(
        title="Parameters that were searched",
        panels=tuple(drawn),
        keys=(
            Key(label="trial", style=_TRIAL),
            Key(label="collapsed or diverged", style=_BAD),
            Key(label="confirmed", style=_CONFIRMED),
            Key(label="selected", style=_SELECTED),
            Key(label="value as shipped", style=_SHIPPED),
        ),
        how="Every trial stands in each panel of its loss, at the value that it had of this"
        " parameter; all other parameters vary too, and so does the seed. Selected is not the"
        " highest trial but the best of those that were confirmed on further seeds. In the shaded"
        " outer tenth of a range a selected value is a warning: better ones may lie beyond.",
        notes=(f"The first {len(drawn)} of {len(panels)} panels are drawn.",) if rest else (),
    )


def _scores(tuning: Tuning) -> tuple[float, float]:
    """The range of all trials of a study, with some air."""
    scores = [trial.score for loss in tuning.losses for trial in loss.trials]
    scores = [score for score in scores if math.isfinite(score)] or [0.0, 1.0]
    slack = 0.07 * (max(scores) - min(scores) or 1.0)
    return min(scores) - slack, max(scores) + slack


def _draw_parameter(
    loss: LossTuning,
    parameter: Parameter,
    style: RowStyle,
    inside: tuple[float, float],
    axes: "Axes",
) -> None:
    linear_axis(axes, "y", 4)
    searched = parameter.searched
    for left in (0.0, 1.0 - EDGE):
        axes.axvspan(left, left + EDGE, color=GRID, alpha=0.6, linewidth=0, zorder=0.2)
    shipped = parameter.place(searched.default)
    axes.axvline(shipped, color=_SHIPPED.colour, linestyle=_SHIPPED.line, linewidth=1, zorder=0.5)
    for trial in loss.trials:
        if not math.isfinite(trial.score):
            continue
        chosen = trial.number == loss.selected
        mark = _SELECTED if chosen else _CONFIRMED if trial.confirmed else _TRIAL
        filled = RowStyle(
            colour=style.colour, marker=mark.marker, hollow=trial.outcome != "healthy"
        )
        axes.plot(
            [parameter.place(trial.values[parameter.key])],
            [trial.score],
            **filled.points,
            markersize=7.5 if chosen else 5,
            zorder=3 if chosen else 2,
        )
    ticks = {0.0: searched.low, 1.0: searched.high}
    if 0.2 < shipped < 0.8:
        ticks[shipped] = searched.default
    axes.set_xticks(list(ticks), [number_text(float(f"{v:.3g}")) for v in ticks.values()])
    axes.set_xlim(min(0.0, shipped) - 0.03, max(1.0, shipped) + 0.03)
    axes.set_ylim(inside)
    axes.grid(axis="y")
    axes.set_xlabel(short(parameter.key, 40))


def fresh_figure(comparison: Comparison) -> Figure | None:
    """Each loss as shipped and tuned on fresh seeds, with the scores by which it was tuned."""
    styles = _styles(comparison)
    panels = []
    for tuning in comparison.tuning:
        losses = [loss for loss in tuning.losses if loss.tuned.n][: 2 * _MOST_LOSSES]
        if not losses:
            continue
        labels = [wrapped(loss.loss) for loss in losses]
        panels.append(
            Panel(
                title=_title(comparison, tuning, full_name(tuning.metric)),
                draw=functools.partial(_draw_fresh, losses, labels, styles, tuning.metric),
                about=f"{len(losses)} losses as shipped and tuned",
                width=400,
                height=62 + 40 * len(losses),
                left=label_width(labels),
            )
        )
    if not panels:
        return None
    return Figure(
        title="As shipped and tuned",
        panels=tuple(panels),
        keys=(
            Key(label="tuned, fresh seeds", style=_FRESH),
            Key(label="as shipped, fresh seeds", style=_FRESH_SHIPPED),
            Key(label="selected by, on confirming seeds", style=_CONFIRMING),
            Key(label="its single trial", style=_ITS_TRIAL),
        ),
        how="Filled: the selected settings on seeds and tasks that no selection saw, with the 95 %"
        " t-interval over seeds, given these settings. Square: the loss as it is shipped, on some"
        " of the same seeds. Triangles: the scores by which the settings were found and selected;"
        " where they lie ahead of the filled mark, that is the winner's curse.",
        columns=1,
    )


def _draw_fresh(
    losses: Sequence[LossTuning],
    labels: Sequence[str],
    styles: Mapping[str, RowStyle],
    metric: Metric,
    axes: "Axes",
) -> None:
    linear_axis(axes, "x")
    for place, loss in enumerate(losses):
        colour = styles[loss.loss].colour
        trial = Mean(scores={}, mean=loss.trial_score, interval=None)
        marks = (
            (-0.3, loss.shipped, _FRESH_SHIPPED, 1.2),
            (-0.1, loss.tuned, _FRESH, 2.2),
            (0.1, loss.confirmed, _CONFIRMING, 0.0),
            (0.28, trial, _ITS_TRIAL, 0.0),
        )
        for offset, mean, mark, width in marks:
            if not math.isfinite(mean.mean):
                continue
            y = place + offset
            if mean.interval is not None and width:
                axes.plot(mean.interval, [y, y], color=colour, linewidth=width)
            style = RowStyle(colour=colour, marker=mark.marker, hollow=mark.hollow)
            axes.plot([mean.mean], [y], **style.points, markersize=6)
    if metric.is_success:
        axes.set_xlim(-0.03, 1.03)
    better = {"higher": "better →", "lower": "← better", None: metric.label}[metric.better]
    row_axis(axes, labels, better)
