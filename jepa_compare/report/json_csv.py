"""The comparison as data: comparison.json, comparison.csv, experiment_comparison_results.json.

comparison.json (schema 1) is one object:

    schema_version   1
    primary, baseline, best, conclusion [sentences], warnings [sentences], axes [config keys]
    metrics          [{key, label, unit, better: higher|lower|null, downstream, skewed}]
    rows             [{label, axes {key: value}, unswept {key: value}, target, seeds [..],
                       counts {outcome: runs}, estimates {all|healthy: {metric key: ESTIMATE}}}]
    references       [{label, policy, rows [labels], estimates {metric key: ESTIMATE}}]
    pairs            [{a, b, metric, analysis_set, mean, low, high, seeds, dropped, p, p_holm,
                       p_sign_flip, improvement, detectable, tasks [only a, only b, all] or null,
                       separable, confounded [keys], note, sentence, differences {seed: a - b}}]
    unswept            [{key, values {value: runs}, apart}]
    provenance       {key: {value: runs}}
    left_out         [{path, what, reason, count}]

    ESTIMATE         {n, missing, mean, low, high, sd, iqm, note, scores {seed: score}}

Numbers that do not exist (no interval, no test) are null, and so are the differences of a pair
with more than 200 seeds: the scores that they come from are in the rows.

experiment_comparison_results.json has one entry per run: {"schema_version": 1, "runs": [{name,
seed, hash, path, row, outcome, reason, axes, metrics, untrained, cost}]}. comparison.csv has one
line per analysis_set, row or reference, and metric.
"""

import csv
import io
import math
import re
from collections.abc import Mapping
from typing import Any

from jepa_compare.comparison.differences import as_text
from jepa_compare.comparison.results import ANALYSIS_SETS, Comparison, Estimate, Pair
from jepa_compare.comparison.runs import OUTCOMES
from jepa_compare.runs.untrusted import shown

SCHEMA_VERSION = 1
_MOST_DIFFERENCES = 200  # seeds of one pair

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?")


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _numbers(values: Mapping[Any, float]) -> dict[str, float | None]:
    return {str(key): _number(value) for key, value in values.items()}


def _estimate(estimate: Estimate) -> dict[str, Any]:
    low, high = estimate.interval or (None, None)
    return {
        "n": estimate.n,
        "missing": estimate.missing,
        "mean": _number(estimate.mean),
        "low": low,
        "high": high,
        "sd": _number(estimate.sd),
        "iqm": estimate.iqm,
        "note": estimate.note,
        "scores": _numbers(estimate.scores),
    }


def _pair(pair: Pair) -> dict[str, Any]:
    low, high = pair.interval or (None, None)
    seeds = len(pair.differences)
    return {
        "a": pair.a,
        "b": pair.b,
        "metric": pair.metric,
        "analysis_set": pair.analysis_set,
        "mean": _number(pair.mean),
        "low": low,
        "high": high,
        "seeds": seeds,
        "dropped": pair.dropped,
        "p": _number(pair.p),
        "p_holm": _number(pair.p_holm),
        "p_sign_flip": _number(pair.p_sign_flip),
        "improvement": pair.improvement,
        "detectable": _number(pair.detectable),
        "tasks": pair.tasks,
        "separable": pair.separable,
        "confounded": pair.confounded,
        "note": pair.note,
        "sentence": pair.sentence,
        # With all pairs of many seeds these would be hundreds of megabytes; the scores are above.
        "differences": _numbers(pair.differences) if seeds <= _MOST_DIFFERENCES else None,
    }


def comparison_record(comparison: Comparison) -> dict[str, Any]:
    """The content of comparison.json, plain data."""
    return {
        "schema_version": SCHEMA_VERSION,
        "primary": comparison.primary.key,
        "baseline": comparison.baseline,
        "best": comparison.best,
        "conclusion": comparison.conclusion,
        "warnings": comparison.warnings,
        "axes": comparison.axes,
        "metrics": [
            {
                "key": metric.key,
                "label": metric.label,
                "unit": metric.unit,
                "better": metric.better,
                "downstream": metric.downstream,
                "skewed": metric.key in comparison.skewed,
            }
            for metric in comparison.metrics
        ],
        "rows": [
            {
                "label": row.label,
                "axes": dict(row.axes),
                "unswept": dict(row.unswept),
                "target": row.target,
                "seeds": row.seeds,
                "counts": dict(row.counts),
                "estimates": {
                    analysis_set: {
                        metric.key: _estimate(comparison.estimate(row, metric, analysis_set))
                        for metric in comparison.metrics
                    }
                    for analysis_set in ANALYSIS_SETS
                },
            }
            for row in comparison.rows
        ],
        "references": [
            {
                "label": reference.label,
                "policy": reference.policy,
                "rows": reference.rows,
                "estimates": {key: _estimate(e) for key, e in reference.estimates.items()},
            }
            for reference in comparison.references
        ],
        "pairs": [_pair(pair) for pairs in comparison.pairs.values() for pair in pairs],
        "unswept": [
            {"key": unswept.key, "values": dict(unswept.values), "apart": unswept.apart}
            for unswept in comparison.unswept
        ],
        "provenance": {key: dict(values) for key, values in comparison.provenance.items()},
        "left_out": [
            {
                "path": shown(str(item.path)),
                "what": item.what,
                "reason": item.reason,
                "count": item.count,
            }
            for item in comparison.left_out
        ],
    }


def runs_record(comparison: Comparison) -> dict[str, Any]:
    """The content of experiment_comparison_results.json: every run with its own numbers."""
    return {
        "schema_version": SCHEMA_VERSION,
        "runs": [
            {
                "name": run.name,
                "seed": run.seed,
                "hash": run.hash,
                "path": shown(str(run.path)),
                "row": row.label,
                "outcome": run.outcome,
                "reason": run.reason,
                "axes": dict(row.axes),
                "metrics": _numbers(run.metrics),
                "untrained": _numbers(run.untrained),
                "cost": _numbers(run.cost),
            }
            for row in comparison.rows
            for run in row.runs
        ],
    }


def csv_text(comparison: Comparison) -> str:
    """One line per analysis set, row (or reference) and metric; empty where nothing is known."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    numbers = ("n", "missing", "mean", "low", "high", "sd", "iqm")
    axes = tuple(comparison.rows[0].axes)
    keys = [_safe(axis) for axis in axes]
    writer.writerow(
        ("kind", "analysis_set", "row", "target", *keys, "metric", *numbers, "note", *OUTCOMES)
    )

    def line(head: tuple[str, ...], key: str, estimate: Estimate, counts: list[int]) -> None:
        record = _estimate(estimate)
        values = ["" if record[name] is None else record[name] for name in numbers]
        writer.writerow([*map(_safe, head), _safe(key), *values, record["note"], *counts])

    for analysis_set in ANALYSIS_SETS:
        for row in comparison.rows:
            settings = [as_text(row.axes.get(axis)) for axis in axes]
            counts = [row.counts.get(outcome, 0) for outcome in OUTCOMES]
            for metric in comparison.metrics:
                estimate = comparison.estimate(row, metric, analysis_set)
                head = ("row", analysis_set, row.label, row.target, *settings)
                line(head, metric.key, estimate, counts)
    for reference in comparison.references:
        head = ("reference", "all", reference.label, "", *("" for _ in axes))
        for key, estimate in reference.estimates.items():
            line(head, key, estimate, [])
    return stream.getvalue()


def _safe(text: str) -> str:
    """A spreadsheet takes a text that begins like a formula for one: put an apostrophe before.

    A number keeps its sign.
    """
    if text[:1] not in ("=", "+", "-", "@") or _NUMBER.fullmatch(text):
        return text
    return f"'{text}"
