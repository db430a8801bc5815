"""The comparison table: one row per loss (and whatever else was varied), floors, a verdict.

Runs that differ in anything but the seed are never averaged. A collapsed run counts with its own
score, a diverged one with its untrained encoder's; a run without a summary is missing and counted.
"""

import csv
import io
import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jepa_compare import run_dir
from jepa_compare.comparison.load import NoRunsError, load_runs
from jepa_compare.comparison.metrics import Metric, describe
from jepa_compare.comparison.runs import OUTCOMES, Run, Runs
from jepa_compare.comparison.statistics import holm, t_test

PRIMARY = "eval/success_detour"
COLUMNS = (
    PRIMARY,
    "eval/success_door",
    "eval/success_same",
    "eval/probe_rmse",
    "eval/rollout_rmse_8",
    "eval/probe_r2",
    "eval/spread",
)
SIGNIFICANCE = 0.05
# Keys in which two runs of one row may differ: they do not change the trained weights.
_FREE = ("seed", "sweep", "tracking.", "evaluation.", "device")
_FREE_TRAINING = ("log_interval", "gradient_interval", "checkpoint_interval", "retries")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A mean over seeds."""

    scores: Mapping[int, float]
    mean: float
    interval: tuple[float, float] | None
    """95 % t-interval of the mean; None for one seed or no variance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Runs that differ in their seed alone, or a floor."""

    label: str
    target: str
    status: str
    cells: Mapping[str, Cell]


def identity(run: Run) -> dict[str, object]:
    """What has to agree for two runs to be averaged."""
    return {
        key: value
        for key, value in run.config.items()
        if not key.startswith(_FREE)
        and not (key.startswith("training.") and key.endswith(_FREE_TRAINING))
    }


def score(run: Run, key: str) -> float:
    """A run's value of a metric, by the rule of the module's docstring; NaN if it is missing."""
    source = run.untrained if run.outcome == "diverged" else run.metrics
    return source.get(key, math.nan)


def cell(scores: Mapping[int, float]) -> Cell:
    """Mean and interval of finite scores by seed."""
    finite = {seed: value for seed, value in sorted(scores.items()) if math.isfinite(value)}
    if not finite:
        return Cell(scores={}, mean=math.nan, interval=None)
    test = t_test(np.array([list(finite.values())]))
    low, high = float(test.low[0]), float(test.high[0])
    interval = None if math.isnan(low) else (low, high)
    return Cell(scores=finite, mean=float(test.mean[0]), interval=interval)


def rows_of(runs: Runs) -> list[Row]:
    """One row per identity, best primary mean first, rows without a score last."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        key = run_dir.content_hash([run.name, {k: repr(v) for k, v in identity(run).items()}])
        groups.setdefault(key, []).append(run)
    rows = []
    for group in groups.values():
        rivals = [other[0] for other in groups.values() if other[0].name == group[0].name]
        counts = Counter(run.outcome for run in group)
        status = ", ".join(f"{counts[o]} {o}" for o in OUTCOMES if o in counts)
        cells = {key: cell({run.seed: score(run, key) for run in group}) for key in COLUMNS}
        label = " ".join([group[0].name, *_distinguishing(group[0], rivals)])
        rows.append(Row(label=label, target=group[0].target, status=status, cells=cells))
    return sorted(rows, key=lambda row: _rank(row.cells[PRIMARY].mean))


def _rank(mean: float) -> tuple[bool, float]:
    return math.isnan(mean), -mean


def _distinguishing(run: Run, rivals: Sequence[Run]) -> list[str]:
    """`key=value` for what tells a row from the others of the same loss."""
    own = identity(run)
    keys = {k for other in rivals for k, v in identity(other).items() if own.get(k) != v}
    return [f"{key.removeprefix('aux_loss.')}={own.get(key)}" for key in sorted(keys)]


def floor_rows(runs: Runs) -> list[Row]:
    """Floors and ceilings of all runs, once each; the untrained encoder over its seeds."""
    found: dict[str, dict[str, Mapping[str, float]]] = {}
    seeds: dict[str, int] = {}
    for run in runs:
        for policy, floor in run.floors.items():
            found.setdefault(policy, {})[floor.key] = floor.metrics
            seeds[floor.key] = len(seeds) if floor.seed is None else floor.seed
    rows = []
    for policy, floors in found.items():
        cells = {
            name: cell({seeds[key]: metrics.get(name, math.nan) for key, metrics in floors.items()})
            for name in COLUMNS
        }
        label = f"[{policy.replace('_', ' ')}]"
        rows.append(Row(label=label, target="", status="floor or ceiling", cells=cells))
    return rows


def verdict(rows: Sequence[Row]) -> list[str]:
    """Sentences on the primary metric: Holm-corrected paired t over all pairs of rows."""
    name = describe(PRIMARY).label
    pairs = []
    for a, b in itertools.combinations(rows, 2):
        left, right = a.cells[PRIMARY].scores, b.cells[PRIMARY].scores
        shared = sorted(left.keys() & right.keys())
        test = t_test(np.array([[left[seed] - right[seed] for seed in shared]]))
        pairs.append((a.label, b.label, len(shared), test))
    if not pairs:
        return ["one row: nothing to compare"]
    if max(n for *_, n, _ in pairs) < 2:
        return ["one seed per loss: no interval, no winner"]
    corrected = holm(np.array([test.p[0] for *_, test in pairs]))
    sentences, beaten = [], Counter[str]()
    for (a, b, n, test), p in zip(pairs, corrected, strict=True):
        mean, low, high = (float(v[0]) for v in (test.mean, test.low, test.high))
        if not p < SIGNIFICANCE:
            sentences.append(f"{a} and {b}: not separable on {name} with {n} seeds")
            continue
        better, worse, sign = (a, b, 1) if mean > 0 else (b, a, -1)
        beaten[better] += 1
        ends = sorted((sign * low, sign * high))
        sentences.append(
            f"{better} over {worse}: {abs(mean):+.2f} [{ends[0]:.2f}, {ends[1]:.2f}] {name},"
            f" {n} seeds, p = {p:.3g}"
        )
    best = [label for label, wins in beaten.items() if wins == len(rows) - 1]
    first = f"best: {best[0]}" if best else f"no single best: not all pairs are separable on {name}"
    return [first, *sentences]


def _text(value: Cell, metric: Metric) -> str:
    if value.interval is None:
        return metric.text(value.mean)
    low, high = (metric.text(end) for end in value.interval)
    return f"{metric.text(value.mean)} [{low}, {high}]"


def write_comparison(paths: Sequence[str | Path], out: str | Path | None = None) -> str:
    """Compare every run at or below `paths`; returns the table as text.

    Writes comparison.md, .csv and .json to `out`, by default `comparison/` in the first path.
    The JSON holds {"rows": [{"label", "target", "status", "cells": {metric: {"scores": {seed:
    value}, "mean", "interval"}}}], "verdict": [...], "left_out": [{"path", "reason"}]}. Raises
    NoRunsError if there is no run.
    """
    runs = load_runs(*paths)
    if not len(runs):
        raise NoRunsError(f"no run in {', '.join(map(str, paths))}")
    rows = rows_of(runs)
    sentences = verdict(rows)
    left_out = [f"{item.path}: {item.reason}" for item in runs.left_out]
    metrics = [describe(key) for key in COLUMNS]
    header = [
        "loss",
        "target",
        "runs",
        *(f"{m.label} ({m.unit})" if m.unit else m.label for m in metrics),
    ]
    body = [
        [row.label, row.target, row.status, *(_text(row.cells[m.key], m) for m in metrics)]
        for row in [*rows, *floor_rows(runs)]
    ]
    notes = [*sentences, "mean over seeds [95 % t-interval]; no interval: one seed or no variance"]
    notes += [f"left out: {item}" for item in left_out]

    directory = Path(out) if out is not None else Path(paths[0]) / run_dir.COMPARISON
    cells = [[text.replace("|", "\\|") for text in line] for line in [header, *body]]
    lines = [f"| {' | '.join(line)} |" for line in cells]
    lines.insert(1, "|" + " --- |" * len(header))
    markdown = "\n".join([*lines, "", *(f"- {note}" for note in notes), ""])
    run_dir.write_bytes(directory / "comparison.md", markdown.encode())
    table = io.StringIO()
    csv.writer(table).writerows([header, *body])
    run_dir.write_bytes(directory / "comparison.csv", table.getvalue().encode())
    plain = [
        {
            "label": row.label,
            "target": row.target,
            "status": row.status,
            "cells": {
                key: {"scores": dict(c.scores), "mean": c.mean, "interval": c.interval}
                for key, c in row.cells.items()
            },
        }
        for row in [*rows, *floor_rows(runs)]
    ]
    content = {"schema_version": run_dir.SCHEMA_VERSION, "rows": plain, "verdict": sentences}
    run_dir.write_json(directory / "comparison.json", content | {"left_out": left_out})
    return _render(header, body, notes)


def _render(header: list[str], body: list[list[str]], notes: list[str]) -> str:
    """For a terminal; markup in names is text."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*header)
    for line in body:
        table.add_row(*map(Text, line))
    widest = sum(max(len(line[i]) for line in [header, *body]) + 3 for i in range(len(header))) + 1
    console = Console(file=io.StringIO(), width=max(80, widest))
    console.print(table)
    for note in notes:
        console.print(Text(note))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rstrip()
