"""The comparison as a table: for a terminal, and as Markdown, CSV and JSON."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from jepa_compare import run_dir
from jepa_compare.comparison.compare import compare
from jepa_compare.comparison.findings import Comparison, Estimate, Row
from jepa_compare.comparison.load import NoRunsError, load_runs
from jepa_compare.comparison.metrics import Metric
from jepa_compare.comparison.runs import OUTCOMES

COLUMNS = (
    "eval/success_detour",
    "eval/success_door",
    "eval/success_same",
    "eval/probe_rmse",
    "eval/rollout_rmse_8",
    "eval/probe_r2",
    "eval/spread",
)
"""Metrics of the table, where the runs have them; the JSON holds all."""


def write_comparison(paths: Sequence[str | Path], out: str | Path | None = None) -> str:
    """Compare every run at or below `paths`; returns the table as text.

    Writes comparison.md, .csv and .json to `out`, by default `comparison/` in the first path.
    The JSON holds {"rows": [{"label", "target", "status", "estimates": {metric: {"scores": {seed:
    value}, "mean", "interval", "missing"}}}], "references": [{"label", "estimates"}], "verdict",
    "warnings", "left_out"}. Raises NoRunsError if there is no run.
    """
    runs = load_runs(*paths)
    if not len(runs):
        raise NoRunsError(f"no run in {', '.join(map(str, paths))}")
    comparison = compare(runs)
    directory = Path(out) if out is not None else Path(paths[0]) / run_dir.COMPARISON
    header, body = cells_of(comparison)
    notes = notes_of(comparison)

    escaped = [[text.replace("|", "\\|") for text in line] for line in [header, *body]]
    lines = [f"| {' | '.join(line)} |" for line in escaped]
    lines.insert(1, "|" + " --- |" * len(header))
    markdown = "\n".join([*lines, "", *(f"- {note}" for note in notes), ""])
    run_dir.write_bytes(directory / "comparison.md", markdown.encode())
    table = io.StringIO()
    csv.writer(table).writerows([header, *body])
    run_dir.write_bytes(directory / "comparison.csv", table.getvalue().encode())
    run_dir.write_json(directory / "comparison.json", plain(comparison))
    return render(header, body, notes)


def cells_of(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Header and lines of text: the rows, then floors and ceilings."""
    shown = [metric for metric in comparison.metrics if metric.key in COLUMNS]
    shown.sort(key=lambda metric: COLUMNS.index(metric.key))
    units = [f" ({metric.unit})" if metric.unit else "" for metric in shown]
    names = [f"{metric.label}{unit}" for metric, unit in zip(shown, units, strict=True)]
    body = [
        [row.label, row.target, status(row)]
        + [text(comparison.estimate(row, metric), metric) for metric in shown]
        for row in comparison.rows
    ]
    body += [
        [f"[{reference.label}]", "", "floor or ceiling"]
        + [text(reference.estimates.get(metric.key), metric) for metric in shown]
        for reference in comparison.references
    ]
    return ["loss", "target", "runs", *names], body


def status(row: Row) -> str:
    """'2 healthy, 1 diverged': every run of the row, whatever became of it."""
    return ", ".join(f"{row.counts[o]} {o}" for o in OUTCOMES if o in row.counts)


def text(estimate: Estimate | None, metric: Metric) -> str:
    """'0.95 [0.90, 1.00]'; without an interval where there is none, a dash where nothing is."""
    if estimate is None:
        return "-"
    mean = metric.text(estimate.mean)
    if estimate.interval is None:
        return mean
    low, high = (metric.text(end) for end in estimate.interval)
    return f"{mean} [{low}, {high}]"


def notes_of(comparison: Comparison) -> list[str]:
    """What stands below the table: the verdict first."""
    verdict = comparison.verdict
    if all(len(row.seeds) < 2 for row in comparison.rows):
        verdict = verdict[:1]  # one seed says the same of every metric
    return [
        *verdict,
        "mean over seeds [95 % t-interval]; no interval: one seed, or nothing varies",
        *(f"warning: {warning}" for warning in comparison.warnings),
        *(f"left out: {item.path}: {item.reason}" for item in comparison.left_out),
    ]


def plain(comparison: Comparison) -> dict[str, object]:
    """The comparison as plain data, see `write_comparison`."""

    def data(estimate: Estimate) -> dict[str, object]:
        return {
            "scores": {str(seed): score for seed, score in estimate.scores.items()},
            "mean": estimate.mean,
            "interval": estimate.interval,
            "missing": estimate.missing,
        }

    rows = [
        {
            "label": row.label,
            "target": row.target,
            "status": {str(outcome): count for outcome, count in row.counts.items()},
            "estimates": {m.key: data(comparison.estimate(row, m)) for m in comparison.metrics},
        }
        for row in comparison.rows
    ]
    references = [
        {
            "label": reference.label,
            "estimates": {key: data(value) for key, value in reference.estimates.items()},
        }
        for reference in comparison.references
    ]
    return {
        "schema_version": run_dir.SCHEMA_VERSION,
        "rows": rows,
        "references": references,
        "primary": comparison.primary.key,
        "best": comparison.best,
        "verdict": list(comparison.verdict),
        "warnings": list(comparison.warnings),
        "left_out": [f"{item.path}: {item.reason}" for item in comparison.left_out],
    }


def render(header: list[str], body: list[list[str]], notes: list[str]) -> str:
    """For a terminal of any width; markup in names is shown as text."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*header)
    for line in body:
        table.add_row(*map(Text, line))
    width = sum(max(len(line[i]) for line in [header, *body]) + 3 for i in range(len(header)))
    console = Console(file=io.StringIO(), width=max(80, width + 1))
    console.print(table)
    for note in notes:
        console.print(Text(note))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rstrip()
