"""The tables that only the page has: analysis sets, cost, runs that did not end well, config."""

import itertools
import math
import statistics
from dataclasses import replace
from datetime import datetime, timezone

from jepa_compare.comparison.conclusion import counts_text, listed
from jepa_compare.comparison.differences import counted
from jepa_compare.comparison.results import ANALYSIS_SETS, Comparison, Row
from jepa_compare.report.tables import (
    Grid,
    cell,
    heading,
    main_columns,
    outcomes_text,
    provenance_table,
)
from jepa_compare.runs.untrusted import shown

MOST_ROWS = 100
MOST_RUNS = 60
MOST_VALUES = 8


def cut(grid: Grid, rows: int) -> tuple[Grid, int]:
    """The table with at most 100 of its `rows` leading lines; how many were taken away."""
    rest = max(0, rows - MOST_ROWS)
    if not rest:
        return grid, 0
    lines = (*grid.lines[:MOST_ROWS], *grid.lines[rows:])
    sections = tuple(s - rest if s >= rows else s for s in grid.sections)
    strong = tuple(s for s in grid.strong if s < MOST_ROWS)
    return replace(grid, lines=lines, sections=sections, strong=strong), rest


def analysis_sets(comparison: Comparison) -> Grid:
    """Each row in both analysis sets, on the primary metric and two others."""
    metrics = [m for m in main_columns(comparison) if m.downstream or m == comparison.primary][:3]
    columns = list(itertools.product(metrics, ANALYSIS_SETS))
    lines = []
    for row in comparison.rows[:MOST_ROWS]:
        counts = sum(run.status is not None for run in row.runs), row.counts.get("healthy", 0)
        cells = [
            cell(metric, comparison.estimate(row, metric, analysis_set))
            for metric, analysis_set in columns
        ]
        lines.append((row.label, *map(str, counts), *cells, outcomes_text(row)))
    titles = [f"{heading(metric)}, {analysis_set}" for metric, analysis_set in columns]
    return Grid(header=("row", "scored", "healthy", *titles, "runs"), lines=tuple(lines))


_Column = tuple[str, str, float, str]
_TIMES: tuple[_Column, ...] = (
    ("seconds.train", "training (s)", 1.0, "{:,.1f}"),
    ("seconds.interim_evaluations", "interim evaluations (s)", 1.0, "{:,.1f}"),
    ("seconds.evaluation", "evaluation (s)", 1.0, "{:,.1f}"),
    ("seconds.total", "total (s)", 1.0, "{:,.1f}"),
    ("samples_per_second", "samples/s", 1.0, "{:,.0f}"),
    ("peak_memory_bytes", "peak memory (MB)", 1e-6, "{:,.0f}"),
)
_UNEQUAL: tuple[_Column, ...] = (
    ("parameters.encoder", "encoder (k params)", 1e-3, "{:,.0f}"),
    ("parameters.predictor", "predictor (k params)", 1e-3, "{:,.0f}"),
    ("parameters.aux_loss", "loss's head (k params)", 1e-3, "{:,.0f}"),
    ("aux_seconds_per_step", "loss alone (ms a step)", 1e3, "{:,.2f}"),
    ("clipped_steps_share", "clipped steps (%)", 1e2, "{:,.0f}"),
    ("aux_to_prediction_gradient", "pull of loss / prediction", 1.0, "{:,.2f}"),
)


def costs(comparison: Comparison) -> dict[str, Grid]:
    """By title: seconds and memory; what losses differ in beside their idea. What no run recorded
    is left out."""
    tables = {
        "Cost of a run": _cost(comparison, _TIMES),
        "What is unequal beside the loss's idea": _cost(comparison, _UNEQUAL),
    }
    return {title: table for title, table in tables.items() if table is not None}


def _cost(comparison: Comparison, columns: tuple[_Column, ...]) -> Grid | None:
    """Mean and range over the runs of a row; None when no run recorded any."""
    rows = comparison.rows[:MOST_ROWS]
    there = [
        column
        for column in columns
        if any(math.isfinite(run.cost.get(column[0], math.nan)) for run in comparison.runs)
    ]
    if not there:
        return None

    def value(row: Row, key: str, scale: float, form: str) -> str:
        costs = [run.cost.get(key, math.nan) * scale for run in row.runs]
        costs = [number for number in costs if math.isfinite(number)]
        if not costs:
            return "-"
        low, high, mean = map(form.format, (min(costs), max(costs), statistics.fmean(costs)))
        return mean if low == high else f"{mean} ({low} to {high})"

    return Grid(
        header=("row", *(label for _, label, _, _ in there), "device"),
        lines=tuple(
            (
                row.label,
                *(value(row, key, scale, form) for key, _, scale, form in there),
                listed(
                    list(counted([run for run in row.runs if run.provenance], "hardware.name")), 2
                ),
            )
            for row in rows
        ),
    )


def troubled(comparison: Comparison) -> tuple[Grid, int]:
    """Every run that is not healthy, or that raised an alarm; how many more there are."""
    lines = []
    for row in comparison.rows:
        for run in row.runs:
            alarms = "; ".join(dict.fromkeys(message for _, message in run.alarms[:3]))
            why = "; ".join(part for part in (run.reason, alarms) if part)
            if run.outcome != "healthy" or alarms:
                lines.append(
                    (
                        shown(run.path.name),
                        row.label,
                        str(run.seed),
                        f"{run.step} / {run.steps}" if run.steps else str(run.step),
                        run.outcome.replace("_", " "),
                        why or "no reason recorded",
                    )
                )
    shown_lines = tuple(lines[:MOST_RUNS])
    header = ("run", "row", "seed", "step", "outcome", "why")
    return Grid(header=header, lines=shown_lines, left=6), len(lines) - len(shown_lines)


def settings(comparison: Comparison) -> Grid | None:
    """The keys in which runs differ, at most 100: what was swept first, then what unswept."""
    roles = dict.fromkeys(comparison.axes, "swept")
    for setting in comparison.unswept:
        how = "rows kept apart" if setting.apart else "averaged over"
        roles[setting.key] = f"differs, {how}"
    lines = (
        (key, counts_text(counted(comparison.runs, key), MOST_VALUES), role)
        for key, role in list(roles.items())[:MOST_ROWS]
    )
    header = ("key", "values (runs)", "role")
    return Grid(header=header, lines=tuple(lines), left=3) if roles else None


def provenance(comparison: Comparison) -> Grid | None:
    """Versions, hardware, commit, at most 100; the commands are shown apart."""
    known = [key for key in comparison.provenance if key != "command"]
    return provenance_table(comparison, known[:MOST_ROWS]) if known else None


def last_end(comparison: Comparison) -> str:
    """When the last run ended, in UTC; "" when none says so."""
    ends = [run.ended for run in comparison.runs if run.ended is not None]
    try:
        latest = datetime.fromtimestamp(max(ends), timezone.utc)
    except (ValueError, OverflowError, OSError):  # none, or a clock that was nonsense
        return ""
    return f"{latest:%Y-%m-%d %H:%M} UTC"
