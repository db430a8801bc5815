"""The comparison as data: comparison.json, comparison.csv, experiment_comparison_results.json.

comparison.json is one object. Schema 3 adds "answer", "smallest_effect"
and a pair's "decision" (null: exploratory, nothing is claimed), and has no pairs of healthy runs
alone. Schema 2 calls "conclusion", "unswept" and "analysis_set" what schema
1 called "verdict", "drift" and "reading":

    schema_version   3
    primary, smallest_effect, baseline, best, answer {top, beaten [{row, by, at_least,
                     by_less_than}], equal, unranked},
                     task_widening {tasks, row, difference, sentence} or null,
                     conclusion [sentences], warnings [sentences], axes [config keys]
    metrics          [{key, label, unit, better: higher|lower|null, downstream, skewed}]
    rows             [{label, axes {key: value}, unswept {key: value}, target, seeds [..],
                       counts {outcome: runs}, notes {note: runs},
                       estimates {all|healthy: {metric key: ESTIMATE}}}]
    references       [{label, policy, rows [labels], estimates {metric key: ESTIMATE}}]
    pairs            [{a, b, metric, analysis_set, mean, low, high, seeds, dropped, p, p_holm,
                       p_sign_flip, improvement, detectable, tasks [only a, only b, all] or null,
                       separable, decision, confounded [keys], note, sentence,
                       differences {seed: a - b}}]
    tuning           [{study {as in study.json}, metric, smallest_effect, losses [TUNED],
                       lengths [{length, answer, conclusion, scores {loss: MEAN}}]}]
    unswept          [{key, values {value: runs}, apart}]
    provenance       {key: {value: runs}}
    left_out         [{path, what, reason, count}]

    ESTIMATE         {n, missing, mean, low, high, sd, iqm, note, scores {seed: score}}
    MEAN             {n, mean, low, high, scores {seed: score}}
    TUNED            {loss, selected, trials [{number, values {key: value}, score, outcome,
                      confirmed}], best_of [{budget, value, low, high}], collapsed SHARE,
                      diverged SHARE, near_best, parameters [{key, selected, at_edge}], trial_score,
                      confirmed MEAN, tuned MEAN, shipped MEAN, gain MEAN, curse, runs, seconds}
    SHARE            {hits, of, low, high}

Numbers that do not exist (no interval, no test) are null, and so are the differences of a pair
with more than 200 seeds: the scores that they come from are in the rows.

experiment_comparison_results.json has one entry per run: {"schema_version": 1, "runs": [{name,
seed, hash, path, row, outcome, notes, reason, axes, metrics, untrained, cost}]}. comparison.csv
has one line per analysis set, row or reference, and metric.
"""

import csv
import io
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from jepa_compare.comparison.differences import as_text
from jepa_compare.comparison.results import ANALYSIS_SETS, Comparison, Estimate, Pair
from jepa_compare.comparison.runs import OUTCOMES
from jepa_compare.comparison.tuning.results import LossTuning, Mean, Share, Tuning
from jepa_compare.runs.codec import encode
from jepa_compare.runs.records import StatusNote
from jepa_compare.runs.untrusted import shown

SCHEMA_VERSION = 3
"""Of comparison.json."""
_MOST_DIFFERENCES = 200  # seeds of one pair
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?")


def _plain(value: object) -> Any:
    """As JSON has it: null for a number that does not exist, texts as keys."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return shown(value) if isinstance(value, Path) else value


def _fields(record: object, names: str) -> dict[str, Any]:
    return {name: _plain(getattr(record, name)) for name in names.split()}


def _with_interval(
    record: Estimate | Pair | Mean | Share, before: str, after: str
) -> dict[str, Any]:
    low, high = record.interval or (None, None)
    return _fields(record, before) | {"low": low, "high": high} | _fields(record, after)


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return _with_interval(estimate, "n missing mean", "sd iqm note scores")


def _pair(pair: Pair) -> dict[str, Any]:
    seeds = len(pair.differences)
    return {
        **_with_interval(pair, "a b metric analysis_set mean", "dropped p p_holm p_sign_flip"),
        **_fields(pair, "improvement detectable tasks separable confounded note sentence"),
        "decision": pair.decision.answer if pair.decision else None,
        "seeds": seeds,
        # With all pairs of many seeds these would be hundreds of megabytes; the scores are above.
        "differences": _plain(pair.differences) if seeds <= _MOST_DIFFERENCES else None,
    }


def _tuning(tuning: Tuning) -> dict[str, Any]:
    return {
        "study": encode(tuning.study),
        "metric": tuning.metric.key,
        "smallest_effect": tuning.smallest_effect,
        "losses": [_tuned(loss) for loss in tuning.losses],
        "lengths": [
            _fields(at, "length answer conclusion")
            | {"scores": {loss: _mean(mean) for loss, mean in at.scores.items()}}
            for at in tuning.lengths
        ],
    }


def _tuned(loss: LossTuning) -> dict[str, Any]:
    means = ("confirmed", "tuned", "shipped", "gain")
    return {
        **_fields(loss, "loss selected"),
        "trials": [_fields(t, "number values score outcome confirmed") for t in loss.trials],
        "best_of": [_fields(best, "budget value low high") for best in loss.best_of],
        "collapsed": _with_interval(loss.collapsed, "hits of", ""),
        "diverged": _with_interval(loss.diverged, "hits of", ""),
        "near_best": loss.near_best,
        "parameters": [_fields(p, "key selected at_edge") for p in loss.parameters],
        "trial_score": _plain(loss.trial_score),
        **{name: _mean(getattr(loss, name)) for name in means},
        **_fields(loss, "curse runs seconds"),
    }


def _mean(mean: Mean) -> dict[str, Any]:
    return _with_interval(mean, "n mean", "scores")


def comparison_record(comparison: Comparison) -> dict[str, Any]:
    """The content of comparison.json, plain data."""
    return {
        "schema_version": SCHEMA_VERSION,
        "primary": comparison.primary.key,
        **_fields(comparison, "smallest_effect baseline best conclusion warnings axes"),
        "answer": {
            **_fields(comparison.answer, "top equal unranked"),
            "beaten": [
                _fields(b, "row by at_least by_less_than") for b in comparison.answer.beaten
            ],
        },
        "task_widening": comparison.task_widening
        and _fields(comparison.task_widening, "tasks row difference sentence"),
        "metrics": [
            _fields(metric, "key label unit better downstream")
            | {"skewed": metric.key in comparison.skewed}
            for metric in comparison.metrics
        ],
        "rows": [
            _fields(row, "label axes unswept target seeds counts notes")
            | {
                "estimates": {
                    analysis_set: {
                        metric.key: _estimate(comparison.estimate(row, metric, analysis_set))
                        for metric in comparison.metrics
                    }
                    for analysis_set in ANALYSIS_SETS
                }
            }
            for row in comparison.rows
        ],
        "references": [
            _fields(reference, "label policy rows")
            | {"estimates": {key: _estimate(e) for key, e in reference.estimates.items()}}
            for reference in comparison.references
        ],
        "pairs": [_pair(pair) for pairs in comparison.pairs.values() for pair in pairs],
        "tuning": [_tuning(tuning) for tuning in comparison.tuning],
        "unswept": [_fields(setting, "key values apart") for setting in comparison.unswept],
        "provenance": _plain(comparison.provenance),
        "left_out": [_fields(item, "path what reason count") for item in comparison.left_out],
    }


def runs_record(comparison: Comparison) -> dict[str, Any]:
    """The content of experiment_comparison_results.json: every run with its scores and cost."""
    return {
        "schema_version": 1,
        "runs": [
            {
                **_fields(run, "name seed hash path"),
                "row": row.label,
                **_fields(run, "outcome notes reason"),
                "axes": _plain(row.axes),
                **_fields(run, "metrics untrained cost"),
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
    notes = get_args(StatusNote)
    writer.writerow(
        (
            "kind",
            "analysis_set",
            "row",
            "target",
            *keys,
            "metric",
            *numbers,
            "note",
            *OUTCOMES,
            *notes,
        )
    )

    def line(head: tuple[str, ...], key: str, estimate: Estimate, counts: list[int]) -> None:
        record = _estimate(estimate)
        values = [record[name] for name in numbers]
        writer.writerow([*map(_safe, head), _safe(key), *values, record["note"], *counts])

    for analysis_set in ANALYSIS_SETS:
        for row in comparison.rows:
            settings = [as_text(row.axes.get(axis)) for axis in axes]
            counts = [row.counts.get(outcome, 0) for outcome in OUTCOMES]
            counts += [row.notes.get(note, 0) for note in notes]
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
