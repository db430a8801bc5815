"""The tables that only the page has: analysis sets, cost, runs that did not end well, config."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from jepa_compare.comparison.differences import counted
from jepa_compare.comparison.results import Comparison, Row
from jepa_compare.report.tables import Grid, cell, heading, main_columns, status_text
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
    return Grid(
        header=grid.header, lines=lines, sections=sections, strong=strong, left=grid.left
    ), rest


def analysis_sets(comparison: Comparison) -> Grid:
    """Each row in both analysis_sets, on the primary metric and two others."""
    metrics = [m for m in main_columns(comparison) if m.downstream or m == comparison.primary][:3]
    lines = []
    for row in comparison.rows[:MOST_ROWS]:
        counts = sum(run.status is not None for run in row.runs), row.counts.get("healthy", 0)
        cells = [
            cell(metric, comparison.estimate(row, metric, analysis_set))
            for metric in metrics
            for analysis_set in ("all", "healthy")
        ]
        lines.append((row.label, *map(str, counts), *cells, status_text(row)))
    titles = [
        f"{heading(metric)}, {analysis_set}"
        for metric in metrics
        for analysis_set in ("all", "healthy")
    ]
    return Grid(header=("row", "scored", "healthy", *titles, "runs"), lines=tuple(lines))


_COSTS: tuple[tuple[str, str, float, str], ...] = (
    ("seconds.train", "training (s)", 1.0, "{:,.1f}"),
    ("seconds.interim_evaluations", "interim evaluations (s)", 1.0, "{:,.1f}"),
    ("seconds.evaluation", "evaluation (s)", 1.0, "{:,.1f}"),
    ("seconds.total", "total (s)", 1.0, "{:,.1f}"),
    ("samples_per_second", "samples/s", 1.0, "{:,.0f}"),
    ("peak_memory_bytes", "peak memory (MB)", 1e-6, "{:,.0f}"),
    ("parameters.encoder", "encoder (k params)", 1e-3, "{:,.0f}"),
    ("parameters.predictor", "predictor (k params)", 1e-3, "{:,.0f}"),
)


def cost(comparison: Comparison) -> Grid | None:
    """Mean and range over the runs of a row; None when no run recorded any."""
    rows = comparison.rows[:MOST_ROWS]
    there = [
        column
        for column in _COSTS
        if any(math.isfinite(run.cost.get(column[0], math.nan)) for run in comparison.runs)
    ]
    if not there:
        return None

    def value(row: Row, key: str, scale: float, form: str) -> str:
        found = [run.cost.get(key, math.nan) * scale for run in row.runs]
        found = [number for number in found if math.isfinite(number)]
        if not found:
            return "-"
        ends = [form.format(end) for end in (min(found), max(found))]
        mean = form.format(math.fsum(found) / len(found))
        return mean if ends[0] == ends[1] else f"{mean} ({ends[0]} to {ends[1]})"

    return Grid(
        header=("row", *(label for _, label, _, _ in there), "device"),
        lines=tuple(
            (
                row.label,
                *(value(row, key, scale, form) for key, _, scale, form in there),
                _some(counted([run for run in row.runs if run.provenance], "hardware.name")),
            )
            for row in rows
        ),
    )


def _some(found: Mapping[str, int]) -> str:
    listed = list(found)
    return ", ".join(listed[:2]) + (f" and {len(listed) - 2} more" if len(listed) > 2 else "")


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
    drawn = tuple(lines[:MOST_RUNS])
    return Grid(header=("run", "row", "seed", "step", "outcome", "why"), lines=drawn, left=6), len(
        lines
    ) - len(drawn)


def settings(comparison: Comparison) -> Grid | None:
    """The keys in which runs differ, at most 100: what was swept first, then what unswept."""
    unswept = {
        unswept.key: "differs, rows kept apart" if unswept.apart else "differs, averaged over"
        for unswept in comparison.unswept
    }
    roles = {key: "swept" for key in comparison.axes} | unswept
    if not roles:
        return None
    return Grid(
        header=("key", "values (runs)", "role"),
        lines=tuple(
            (key, values(counted(comparison.runs, key)), role)
            for key, role in list(roles.items())[:MOST_ROWS]
        ),
        left=3,
    )


def provenance(comparison: Comparison) -> Grid | None:
    """Versions, hardware, commit, at most 100; the commands are shown apart."""
    known = [key for key in comparison.provenance if key != "command"][:MOST_ROWS]
    lines = tuple((key, values(comparison.provenance[key]), "") for key in known)
    return Grid(header=("what", "value (runs)", ""), lines=lines, left=3) if lines else None


def values(found: Mapping[str, int]) -> str:
    """ "0.1.0 (15)": each value with its runs, the most frequent first."""
    texts = [f"{value} ({count})" for value, count in found.items()]
    rest = len(texts) - MOST_VALUES
    return ", ".join(texts[:MOST_VALUES]) + (f" and {rest} more" if rest > 0 else "")


def last_end(comparison: Comparison) -> str:
    """When the last run ended, in UTC; "" when none says so."""
    ends = [run.ended for run in comparison.runs if run.ended is not None]
    try:
        latest = datetime.fromtimestamp(max(ends), timezone.utc)
    except (ValueError, OverflowError, OSError):  # none, or a clock that was nonsense
        return ""
    return f"{latest:%Y-%m-%d %H:%M} UTC"


def where(paths: Sequence[Path]) -> str:
    """The folders that were compared."""
    return ", ".join(shown(str(path)) for path in paths)
