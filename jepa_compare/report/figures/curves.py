"""Figures of what happened on the way: learning curves, collapse diagnostics, spectra."""

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jepa_compare.comparison.results import Comparison
from jepa_compare.metrics import COLLAPSED_SPREAD, describe
from jepa_compare.report.figure_data import FigureData
from jepa_compare.report.figures.bands import Band, band, spectrum_band
from jepa_compare.report.figures.figure import Figure, Key, Panel
from jepa_compare.report.figures.style import (
    MUTED,
    REFERENCE_STYLES,
    RowStyle,
    linear_axis,
    log_axis,
    row_style,
    short,
)
from jepa_compare.report.tables import full_name

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


def _row_keys(figure_data: FigureData, panels: Sequence[Mapping[int, Band]]) -> tuple[Key, ...]:
    """The rows that some panel draws."""
    drawn = {index for bands in panels for index in bands}
    return tuple(
        Key(label=figure_data.rows[index].label, style=row_style(index)) for index in sorted(drawn)
    )


def _bands(figure_data: FigureData, keys: Sequence[str]) -> dict[str, dict[int, Band]]:
    """By key, as far as a run has it, and by the place of the row."""
    bands = {
        key: {
            index: curve
            for index, row in enumerate(figure_data.rows)
            if (curve := band(figure_data.histories[row.label], key)) is not None
        }
        for key in keys
    }
    return {key: of_rows for key, of_rows in bands.items() if of_rows}


def _band_panel(
    title: str, bands: Mapping[int, Band], lines: Sequence[tuple[float, RowStyle]] = ()
) -> Panel:
    return Panel(
        title=title,
        draw=functools.partial(_draw_bands, bands, lines),
        about=f"mean and range over seeds of {len(bands)} rows",
    )


def _draw_bands(
    bands: Mapping[int, Band], lines: Sequence[tuple[float, RowStyle]], axes: "Axes"
) -> None:
    values = np.concatenate([b.mean for b in bands.values()])
    low, high = float(values.min()), float(values.max())
    if low > 0 and high / low > _MANY_TIMES:
        log_axis(axes, "y", low, high)
        axes.set_ylim(low / 1.5, high * 1.5)
    else:
        linear_axis(axes, "y", 4)
    linear_axis(axes, "x", 4)
    for index, curve in bands.items():
        style = row_style(index)
        if curve.seeds > 1:
            _fill(axes, curve.steps, curve.low, curve.high, style)
        options: dict[str, Any] = style.options | {
            "marker": style.marker if len(curve.steps) < 3 else "none"
        }
        axes.plot(curve.steps, curve.mean, **options, linewidth=1.6, markersize=4)
    inside = axes.get_ylim()
    for value, style in lines:
        if inside[0] <= value <= inside[1]:
            axes.axhline(value, color=style.colour, linestyle=style.line, linewidth=1, zorder=0.5)
    axes.set_ylim(inside)
    axes.grid(axis="y")
    axes.set_xlabel("step")


def _fill(axes: "Axes", x: np.ndarray, low: np.ndarray, high: np.ndarray, style: RowStyle) -> None:
    axes.fill_between(x, low, high, color=style.colour, alpha=0.16, linewidth=0)


def _terms(figure_data: FigureData) -> list[str]:
    """Keys of loss terms, in order: the sums, each loss's own terms, helpers, gradients."""
    there = {
        key: None
        for histories in figure_data.histories.values()
        for history in histories
        for key in history.columns
    }
    terms = [key for part in ("aux/", "helper/") for key in there if key.startswith(part)]
    wanted = [*_FIRST_TERMS, *terms, *_LAST_TERMS]
    return [key for key in wanted if key in there]


def learning_figure(comparison: Comparison, figure_data: FigureData) -> Figure | None:
    """One panel per loss term."""
    bands = _bands(figure_data, _terms(figure_data))
    if not bands:
        return None
    drawn, rest = list(bands)[:MOST_TERMS], list(bands)[MOST_TERMS:]
    notes = [f"Terms not drawn: {', '.join(rest)}."] if rest else []
    return Figure(
        title="Learning curves",
        panels=tuple(_band_panel(short(_NAMES.get(key, key), 40), bands[key]) for key in drawn),
        keys=_row_keys(figure_data, [bands[key] for key in drawn]),
        how=_BAND + " Losses of different methods have different units: compare a curve with"
        " itself, and methods by the metrics above. Scales that span more than a factor of"
        f" {_MANY_TIMES} are logarithmic; where a seed stops early, the mean goes on without it.",
        notes=(*notes, *figure_data.curve_notes),
    )


def collapse_figure(comparison: Comparison, figure_data: FigureData) -> Figure | None:
    """Collapse diagnostics over time, with the untrained encoder's values and the threshold."""
    bands = _bands(figure_data, _DIAGNOSTICS)
    if not bands:
        return None
    untrained = next((r for r in comparison.references if r.policy == "untrained"), None)
    of_untrained, threshold = REFERENCE_STYLES["untrained"], RowStyle(colour=MUTED)
    panels = []
    described = {metric.key: metric for metric in comparison.metrics}
    for key, of_rows in bands.items():
        lines = [(COLLAPSED_SPREAD, threshold)] if key == "eval/spread" else []
        if untrained is not None and key in untrained.estimates:
            lines.append((untrained.estimates[key].mean, of_untrained))
        panels.append(_band_panel(full_name(described.get(key) or describe(key)), of_rows, lines))
    keys = [*_row_keys(figure_data, list(bands.values()))]
    if untrained is not None:
        keys.append(Key(label="untrained encoder", style=of_untrained))
    keys.append(Key(label=f"spread {COLLAPSED_SPREAD:g}: collapse", style=threshold))
    return Figure(
        title="Collapse diagnostics",
        panels=tuple(panels),
        keys=tuple(keys),
        how=_BAND + f" Spread is what decides: below {COLLAPSED_SPREAD:g}, with a probe no better"
        " than the untrained encoder's, all inputs share one latent. Ranks are scale-free: a"
        " collapsed and an untrained encoder score high, so a high rank alone says nothing.",
        notes=figure_data.curve_notes,
    )


def spectrum_figure(comparison: Comparison, figure_data: FigureData) -> Figure | None:
    """Singular values of the final latents."""
    bands = {
        index: curve
        for index, row in enumerate(figure_data.rows)
        if (curve := spectrum_band(figure_data.spectra[row.label])) is not None
    }
    if not bands:
        return None
    panel = Panel(
        title="singular value / largest",
        draw=functools.partial(_draw_spectra, bands),
        about=f"spectra of {len(bands)} rows",
        width=400,
        height=260,
    )
    return Figure(
        title="Singular values of the latents",
        panels=(panel,),
        keys=_row_keys(figure_data, [bands]),
        how="Singular values of the centred latents on held-out data, sorted, relative to the"
        " largest: geometric mean over seeds, the band is their range. A cliff is dimensional"
        " collapse: the directions behind it carry nothing. Zeros (below 1e-5) are not drawn:"
        " LayerNorm makes one of them. A flat line of a collapsed encoder is"
        " noise, since each spectrum is scaled by its own largest value.",
        notes=figure_data.curve_notes,
        columns=1,
    )


def _draw_spectra(bands: Mapping[int, Band], axes: "Axes") -> None:
    log_axis(axes, "y", _SMALLEST, 1.0)
    linear_axis(axes, "x")
    for index, curve in bands.items():
        style = row_style(index)
        mean = np.where(curve.mean < _SMALLEST, np.nan, curve.mean)
        if curve.seeds > 1:
            low = np.where(np.isnan(mean), np.nan, np.maximum(curve.low, _SMALLEST))
            _fill(axes, curve.steps, low, curve.high, style)
        every = max(1, len(curve.steps) // 8)
        marks = min(index, every - 1), every
        axes.plot(curve.steps, mean, **style.options, linewidth=1.6, markevery=marks, markersize=4)
    axes.set_ylim(_SMALLEST, 1.6)
    axes.grid(axis="y")
    axes.set_xlabel("index")
