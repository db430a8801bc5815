"""The tables as text in cells, before any format: Markdown, LaTeX and the terminal share them."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from jepa_compare.comparison.conclusion import (
    conclusion,
    counts_text,
    interval_text,
    p_text,
)
from jepa_compare.comparison.differences import LOSS_KEYS, as_text
from jepa_compare.comparison.results import AnalysisSet, Comparison, Estimate, Pair, Row
from jepa_compare.comparison.rows import short_names
from jepa_compare.comparison.runs import OUTCOMES, Value
from jepa_compare.metrics import Metric, is_built_in
from jepa_compare.runs.untrusted import shown

_MOST_COLUMNS = 8
# After the primary metric, in this order, as far as the runs have them; between those that rank
# methods and the diagnostics stand the metrics of a user's own measures.
_PREFERRED = (
    "success_detour",
    "success_door",
    "success_same",
    "probe_rmse",
    "rollout_rmse_8",
    "probe_r2",
    "spread",
    "rankme",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A table of texts."""

    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    sections: tuple[int, ...] = ()
    """Lines above which a rule is drawn."""
    strong: tuple[int, ...] = ()
    """Lines to emphasise: the best row, when there is one."""
    left: int = 1
    """Columns from the left that hold text and not numbers."""
    groups: tuple[tuple[str, int], ...] = ()
    """Titles over the header, each with its number of columns; "" for none."""

    def is_strong(self, line: int, column: int) -> bool:
        """Of an emphasised line the name and the first number, which is what the test was about."""
        return line in self.strong and column in (0, self.left)


def main_columns(comparison: Comparison) -> tuple[Metric, ...]:
    """The primary metric and the few others that fit on a page."""
    by_name = {metric.name: metric for metric in comparison.metrics}
    preferred = [by_name[name] for name in _PREFERRED if name in by_name]
    rest = [metric for metric in comparison.metrics if metric.downstream]
    chosen = (
        comparison.primary,
        *(metric for metric in preferred if metric.downstream),
        *(metric for metric in rest if not is_built_in(metric.key)),
        *preferred,
        *rest,
    )
    return tuple(dict.fromkeys(chosen))[:_MOST_COLUMNS]


def cell(metric: Metric, estimate: Estimate | None) -> str:
    """ "0.90 ± 0.06"."""
    if estimate is None or estimate.n == 0:
        return "-"
    mean = metric.text(estimate.mean)
    if estimate.interval is not None:
        return f"{mean} ± {metric.text(estimate.interval[1] - estimate.mean)}"
    if not estimate.note:
        return mean
    return f"{mean} ({1 if estimate.n == 1 else '='})"


def outcomes_text(row: Row) -> str:
    """ "2 healthy (1 low rank), 1 failed"."""
    notes = ", ".join(f"{n} {note.replace('_', ' ')}" for note, n in row.notes.items())
    after = {"healthy": f" ({notes})"} if notes else {}  # a healthy run alone has notes
    return ", ".join(
        f"{row.counts[o]} {o.replace('_', ' ')}{after.get(o, '')}"
        for o in OUTCOMES
        if o in row.counts
    )


def full_name(metric: Metric) -> str:
    """ "probe RMSE (px)"."""
    return metric.label + (f" ({metric.unit})" if metric.unit else "")


def heading(metric: Metric) -> str:
    """A column's title with unit and an arrow in the better direction."""
    arrow = {"higher": " ↑", "lower": " ↓", None: ""}[metric.better] if metric.downstream else ""
    return full_name(metric) + arrow


def main_table(
    comparison: Comparison,
    analysis_set: AnalysisSet = "all",
    columns: Sequence[Metric] | None = None,
) -> Grid:
    """A line per row, then floors and ceilings; `columns` defaults to `main_columns`."""
    metrics = main_columns(comparison) if columns is None else columns
    plain = rows_table(comparison, comparison.rows, analysis_set, metrics)
    floors = [
        (reference.label, "", *(cell(m, reference.estimates.get(m.key)) for m in metrics), "")
        for reference in comparison.references
    ]
    labels = [row.label for row in comparison.rows if analysis_set == "all"]
    return replace(
        plain,
        lines=(*plain.lines, *floors),
        sections=(len(plain.lines),) if floors else (),
        strong=(labels.index(comparison.best),) if comparison.best in labels else (),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Combination:
    """The rows that share a value of every axis but the loss, with what the tests say of them."""

    title: str
    """ "lr=0.001, target=ema"."""
    conclusion: str
    """On the primary metric; p is corrected for all pairs of the sweep. "" with a baseline."""
    grid: Grid


def combinations(comparison: Comparison) -> tuple[Combination, ...]:
    """A table per combination of the axes beside the loss, best row first.

    Empty when nothing but the loss was swept, or when no combination has two rows.
    """
    keys = [key for key in comparison.rows[0].axes if key not in LOSS_KEYS]
    groups: dict[tuple[Value, ...], list[Row]] = defaultdict(list)
    for row in comparison.rows:
        groups[tuple(row.axes[key] for key in keys)].append(row)
    if len(groups) < 2 or max(map(len, groups.values())) < 2:
        return ()
    primary, names = comparison.primary, short_names(keys)
    tables = []
    for values, rows in groups.items():
        estimates = {row.label: comparison.estimate(row, primary) for row in rows}
        within = [p for p in comparison.primary_pairs if {p.a, p.b} <= estimates.keys()]
        parts = [f"{names[k]}={as_text(v)}" for k, v in zip(keys, values, strict=True)]
        words = "" if comparison.baseline else conclusion(rows, estimates, within, primary)
        grid = rows_table(comparison, rows)
        tables.append(Combination(title=", ".join(parts), conclusion=words, grid=grid))
    return tuple(sorted(tables, key=lambda combination: combination.title))


def rows_table(
    comparison: Comparison,
    rows: Sequence[Row],
    analysis_set: AnalysisSet = "all",
    columns: Sequence[Metric] | None = None,
) -> Grid:
    """A line per row, nothing else; `columns` defaults to `main_columns`."""
    metrics = main_columns(comparison) if columns is None else columns
    return Grid(
        header=("row", "target", *(heading(metric) for metric in metrics), "runs"),
        lines=tuple(
            (
                row.label,
                row.target,
                *(
                    cell(metric, comparison.estimate(row, metric, analysis_set))
                    for metric in metrics
                ),
                outcomes_text(row),
            )
            for row in rows
        ),
        left=2,
        groups=(("", 2), *_groups(metrics, comparison.primary), ("", 1)),
    )


def _groups(metrics: Sequence[Metric], primary: Metric) -> list[tuple[str, int]]:
    """What columns are good for, neighbours together."""

    def of(metric: Metric) -> str:
        exploratory = "exploratory" if metric.downstream else "diagnostic"
        return "primary" if metric == primary else exploratory

    return [(title, len(list(columns))) for title, columns in itertools.groupby(metrics, of)]


def pair_table(pairs: Sequence[Pair], metric: Metric) -> Grid:
    """A line per pair of rows: difference, interval, tests, effect size, what could be seen."""
    return Grid(
        header=(
            "a - b",
            f"difference ({metric.unit})" if metric.unit else "difference",
            "95 % interval",
            "seeds",
            "p (corrected)",
            "p (sign flip)",
            "P(a beats b)",
            "detectable",
            "result",
        ),
        lines=tuple(
            (
                f"{pair.a} - {pair.b}",
                metric.text(pair.mean, signed=True),
                interval_text(metric, pair.interval, signed=True) if pair.interval else "-",
                str(len(pair.differences)) + (f" (-{pair.dropped})" if pair.dropped else ""),
                _p(pair.p_holm),
                _p(pair.p_sign_flip),
                "-" if pair.improvement is None else f"{pair.improvement:.2f}",
                _detectable(metric, pair.detectable),
                result_text(pair, metric),
            )
            for pair in pairs
        ),
    )


def result_text(pair: Pair, metric: Metric) -> str:
    """What is claimed of a pair, in a cell; "-" of an exploratory metric, of which nothing is."""
    decision = pair.decision
    if pair.note or decision is None:
        return pair.note or "-"
    margin = "" if decision.margin is None else metric.text(decision.margin)
    if decision.answer == "better":
        ahead = pair.a if (decision.mean > 0) == (metric.better == "higher") else pair.b
        return f"{ahead} better" + (f", by less than {margin}" if decision.within_margin else "")
    if decision.answer == "equal":
        return f"equal within {margin}"
    needed = decision.seeds_needed
    return "not separable" + (f"; about {needed} seeds would decide" if needed else "")


def exploratory_table(comparison: Comparison) -> Grid:
    """A line per pair and downstream metric but the primary one: no result, nothing emphasised."""
    lines = tuple(
        (
            full_name(metric),
            f"{pair.a} - {pair.b}",
            metric.text(pair.mean, signed=True),
            interval_text(metric, pair.interval, signed=True) if pair.interval else "-",
            _p(pair.p_holm),
            str(len(pair.differences)),
        )
        for metric in comparison.metrics
        if metric.downstream and metric != comparison.primary
        for pair in comparison.pairs.get(("all", metric.key), ())
    )
    header = ("metric", "a - b", "difference", "95 % interval", "p", "seeds")
    return Grid(header=header, lines=lines[:400], left=2)


def _detectable(metric: Metric, difference: float) -> str:
    return "none" if metric.is_success and difference > 1 else metric.text(difference)


def _p(value: float) -> str:
    return "-" if math.isnan(value) else p_text(value).removeprefix("p ").removeprefix("= ")


def analysis_sets_differ(comparison: Comparison) -> bool:
    """Whether some run with a score is not healthy, so that the second table says something."""
    return any(run.status not in (None, "healthy") for run in comparison.runs)


def left_out_lines(comparison: Comparison, most: int | None = None) -> list[str]:
    """ "PATH: reason", whole runs first; with how many more there are beyond `most`."""
    lines = [
        shown(f"{item.path}: {item.reason}" + f" ({item.count} lines)" * (item.what == "lines"))
        for item in sorted(comparison.left_out, key=lambda item: item.what != "run")
    ]
    return first_lines(lines, most, "more")


def first_lines(lines: Sequence[str], most: int | None, rest: str) -> list[str]:
    """The first `most` lines, all if None, and "and 3 `rest`" if there are three more."""
    more = 0 if most is None else len(lines) - most
    return [*lines[:most], *([f"and {more} {rest}"] if more > 0 else [])]


def provenance_table(comparison: Comparison, keys: Iterable[str]) -> Grid:
    """Versions, hardware, commit and command, each value with its runs."""
    lines = ((key, counts_text(comparison.provenance[key]), "") for key in keys)
    return Grid(header=("what", "value (runs)", ""), lines=tuple(lines), left=3)
