"""Figures of what happened on the way: learning curves, collapse diagnostics, spectra."""

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from jepa_compare.comparison.results import Comparison
from jepa_compare.metrics import COLLAPSED_SPREAD, describe
from jepa_compare.report.figure_data import FigureData
from jepa_compare.report.figures.bands import Band, band, spectrum_band
from jepa_compare.report.figures.panels import Figure, Key, Panel
from jepa_compare.report.figures.style import (
    MUTED,
    REFERENCE_STYLES,
    RowStyle,
    linear_axis,
    log_axis,
    row_style,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_TERMS = 24
_SMALLEST = 1e-5  # singular values below are zeros
_MANY_TIMES = 30
_DIAGNOSTICS = (
    "eval/spread",
    "eval/feature_std",
    "eval/rankme",
    "eval/participation_ratio",
    "eval/alpha_req",
    "eval/lidar",
    "eval/probe_rmse",
)
_FIRST_TERMS = ("train/prediction", "train/aux", "train/loss")
_LAST_TERMS = ("train/gradient_norm", "train/gradient_prediction", "train/gradient_aux")
_NAMES = {
    "train/prediction": "prediction loss",
    "train/aux": "auxiliary loss, weighted",
    "train/loss": "total loss",
    "train/gradient_norm": "gradient norm",
    "train/gradient_prediction": "gradient of the prediction loss",
    "train/gradient_aux": "gradient of the auxiliary loss",
}
_BAND = (
    "A line is the mean over seeds, the band around it reaches from the smallest to the largest"
    " seed (a range, not an interval)."
)


def _row_keys(figure_data: FigureData, drawn: Sequence[str]) -> tuple[Key, ...]:
    return tuple(
        Key(label=row.label, style=row_style(index))
        for index, row in enumerate(figure_data.rows)
        if row.label in drawn
    )


def _bands(figure_data: FigureData, key: str) -> dict[int, Band]:
    """By the place of the row."""
    found = {
        index: band(figure_data.histories[row.label], key)
        for index, row in enumerate(figure_data.rows)
    }
    return {index: own for index, own in found.items() if own is not None}


def _draw_bands(
    bands: Mapping[int, Band], label: str, lines: Sequence[tuple[float, RowStyle]], axes: "Axes"
) -> None:
    values = np.concatenate([b.mean for b in bands.values()])
    low, high = float(values.min()), float(values.max())
    if low > 0 and high / low > _MANY_TIMES:
        log_axis(axes, "y", low, high)
        axes.set_ylim(low / 1.5, high * 1.5)
    else:
        linear_axis(axes, "y", 4)
    linear_axis(axes, "x", 4)
    for index, own in bands.items():
        style = row_style(index)
        if own.seeds > 1:
            axes.fill_between(
                own.steps, own.low, own.high, color=style.colour, alpha=0.16, linewidth=0
            )
        points = style.marker if len(own.steps) < 3 else ""
        axes.plot(
            own.steps,
            own.mean,
            color=style.colour,
            linestyle=style.line,
            linewidth=1.6,
            marker=points or "none",
            markersize=4,
        )
    inside = axes.get_ylim()
    for value, style in lines:
        if inside[0] <= value <= inside[1]:
            axes.axhline(value, color=style.colour, linestyle=style.line, linewidth=1, zorder=0.5)
    axes.set_ylim(inside)
    axes.grid(axis="y")
    axes.set_xlabel(label)


def _terms(figure_data: FigureData) -> list[str]:
    """Keys of loss terms, in order: the sums, each loss's own terms, helpers, gradients."""
    there = {
        key: None
        for histories in figure_data.histories.values()
        for history in histories
        for key in history.columns
    }
    own = [key for key in there if key.startswith("aux/")]
    helpers = [key for key in there if key.startswith("helper/")]
    wanted = [*_FIRST_TERMS, *own, *helpers, *_LAST_TERMS]
    return [key for key in wanted if key in there]


def learning_figure(comparison: Comparison, figure_data: FigureData) -> Figure | None:
    """One panel per loss term."""
    found = [(key, bands) for key in _terms(figure_data) if (bands := _bands(figure_data, key))]
    if not found:
        return None
    drawn = found[:MOST_TERMS]
    panels = [
        Panel(
            title=short(_NAMES.get(key, key), 40),
            draw=functools.partial(_draw_bands, bands, "step", ()),
            about=f"mean and range over seeds of {len(bands)} rows",
        )
        for key, bands in drawn
    ]
    rest = [key for key, _ in found[MOST_TERMS:]]
    notes = [f"Terms not drawn: {', '.join(rest)}."] if rest else []
    return Figure(
        name="learning_curves",
        title="Learning curves",
        panels=tuple(panels),
        keys=_row_keys(figure_data, _labels(figure_data, [bands for _, bands in drawn])),
        how=_BAND + " Losses of different methods have different units: compare a curve with"
        " itself, and methods by the metrics above. Scales that span more than a factor of"
        f" {_MANY_TIMES} are logarithmic; where a seed stops early, the mean goes on without it.",
        notes=(*notes, *figure_data.curve_notes),
    )


def _labels(figure_data: FigureData, found: Sequence[Mapping[int, object]]) -> list[str]:
    places = sorted({index for bands in found for index in bands})
    return [figure_data.rows[index].label for index in places]


def collapse_figure(comparison: Comparison, figure_data: FigureData) -> Figure | None:
    """Collapse diagnostics over time, with the untrained encoder's values and the threshold."""
    found = [(key, bands) for key in _DIAGNOSTICS if (bands := _bands(figure_data, key))]
    if not found:
        return None
    untrained = next((r for r in comparison.references if r.policy == "untrained"), None)
    threshold = RowStyle(colour=MUTED)
    panels = []
    for key, bands in found:
        lines = [(COLLAPSED_SPREAD, threshold)] if key == "eval/spread" else []
        if untrained is not None and key in untrained.estimates:
            lines.append((untrained.estimates[key].mean, REFERENCE_STYLES["untrained"]))
        metric = describe(key)
        panels.append(
            Panel(
                title=metric.label + (f" ({metric.unit})" if metric.unit else ""),
                draw=functools.partial(_draw_bands, bands, "step", lines),
                about=f"mean and range over seeds of {len(bands)} rows",
            )
        )
    keys = _row_keys(figure_data, _labels(figure_data, [bands for _, bands in found]))
    return Figure(
        name="collapse",
        title="Collapse diagnostics",
        panels=tuple(panels),
        keys=(
            *keys,
            *(
                [Key(label="untrained encoder", style=REFERENCE_STYLES["untrained"])]
                if untrained
                else []
            ),
            Key(label=f"spread {COLLAPSED_SPREAD:g}: collapse", style=threshold),
        ),
        how=_BAND + f" Spread is what decides: below {COLLAPSED_SPREAD:g}, with a probe worse than"
        " the untrained encoder's, all inputs share one latent. Ranks are scale-free: a collapsed"
        " and an untrained encoder score high, so a high rank alone says nothing.",
        notes=figure_data.curve_notes,
    )


def spectrum_figure(comparison: Comparison, figure_data: FigureData) -> Figure | None:
    """Singular values of the final latents."""
    found = {
        index: own
        for index, row in enumerate(figure_data.rows)
        if (own := spectrum_band(figure_data.spectra[row.label])) is not None
    }
    if not found:
        return None
    panel = Panel(
        title="singular value / largest",
        draw=functools.partial(_draw_spectra, found),
        about=f"spectra of {len(found)} rows",
        width=400,
        height=260,
    )
    return Figure(
        name="spectra",
        title="Singular values of the latents",
        panels=(panel,),
        keys=_row_keys(figure_data, _labels(figure_data, [found])),
        how="Singular values of the centred latents on held-out data, sorted, relative to the"
        " largest: geometric mean over seeds, the band is their range. A cliff is dimensional"
        " collapse: the directions behind it carry nothing. Zeros (below 1e-5) are not drawn:"
        " LayerNorm makes one of them. A flat line of a collapsed encoder is"
        " noise, since each spectrum is scaled by its own largest value.",
        notes=figure_data.curve_notes,
        columns=1,
    )


def _draw_spectra(found: Mapping[int, Band], axes: "Axes") -> None:
    log_axis(axes, "y", _SMALLEST, 1.0)
    linear_axis(axes, "x")
    for index, own in found.items():
        style = row_style(index)
        mean = np.where(own.mean < _SMALLEST, np.nan, own.mean)
        if own.seeds > 1:
            low = np.where(np.isnan(mean), np.nan, np.maximum(own.low, _SMALLEST))
            axes.fill_between(own.steps, low, own.high, color=style.colour, alpha=0.16, linewidth=0)
        every = max(1, len(own.steps) // 8)
        axes.plot(
            own.steps,
            mean,
            color=style.colour,
            linestyle=style.line,
            linewidth=1.6,
            marker=style.marker,
            markevery=(min(index, every - 1), every),
            markersize=4,
        )
    axes.set_ylim(_SMALLEST, 1.6)
    axes.grid(axis="y")
    axes.set_xlabel("index")
