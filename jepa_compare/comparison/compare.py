"""`compare`: from loaded runs to rows, estimates, tests and the conclusion in words."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from jepa_compare import metrics as catalogue
from jepa_compare.comparison import conclusion
from jepa_compare.comparison.differences import counted, find_differences, shared_settings
from jepa_compare.comparison.pairs import compare_pairs, exploratory, with_decisions
from jepa_compare.comparison.results import (
    ANALYSIS_SETS,
    AnalysisSet,
    Comparison,
    Estimate,
    Pair,
    Row,
    UnsweptSetting,
)
from jepa_compare.comparison.rows import group_rows, resolve_keys
from jepa_compare.comparison.runs import Runs
from jepa_compare.comparison.scores import (
    estimate,
    references,
    score_matrix,
    scores_by_seed,
    widening_by_tasks,
    worst_scores,
)
from jepa_compare.comparison.smallest_effect import smallest_effect
from jepa_compare.comparison.top_group import best_row, find_top
from jepa_compare.comparison.tuning.selection import describe_progress, split_studies
from jepa_compare.comparison.tuning.summary import Compared, summarise
from jepa_compare.comparison.tuning.words import turns_over, with_lengths
from jepa_compare.comparison.warnings import find_warnings
from jepa_compare.metrics import Metric
from jepa_compare.statistics import correlation_over_seeds, skewness_z

_SKEWED = 2.0  # standard errors away from the skewness of normal samples
_MOST_METRICS = 100

Estimates = Mapping[tuple[AnalysisSet, str, str], Estimate]


def compare(
    runs: Runs,
    metric: str | None = None,
    baseline: str | None = None,
    by: str | Sequence[str] | None = None,
    effect: float | None = None,
) -> Comparison:
    """Compare the rows of a sweep.

    `metric` decides the conclusion and the order of rows (default: the one that the source of data
    states, detour success, or the first downstream metric that a run has). `baseline` is a row's
    label: only pairs with it are tested. `by` names the settings that make a row; all others are
    averaged over, which the warnings say. `effect` replaces the smallest effect of interest, in the
    primary metric, that the runs' configurations state. Of a study the tuned losses are compared,
    on the fresh seeds of its report; all its other runs are in `Comparison.tuning`.
    Raises ValueError, in one line, for a name that does not occur and when there is no run.
    """
    runs, studies = split_studies(runs)
    if not runs.runs:
        waiting = "; ".join(describe_progress(study) for study in studies)
        raise ValueError(waiting or "there is no run to compare")
    described, _ = catalogue.agree([run.descriptions for run in runs])
    present = catalogue.in_order(_metric_keys(runs), described)
    primary = _primary(metric, present, {run.primary_metric for run in runs if run.metrics})
    chosen = None if by is None else resolve_keys([by] if isinstance(by, str) else by, runs.runs)
    margin = smallest_effect(runs, primary) if effect is None else effect
    if margin is not None and not (math.isfinite(margin) and margin > 0):
        raise ValueError(f"effect={margin}: must be a positive number, in the metric's unit")
    worst = worst_scores(runs, (*present, primary))
    differences = find_differences(runs.runs)
    rows = group_rows(runs.runs, differences, chosen)
    kept_apart = {*rows[0].axes, *rows[0].unswept}
    estimates: Estimates = {
        (analysis_set, column.key, row.label): estimate(
            scores_by_seed(row, column, analysis_set, worst), len(row.seeds)
        )
        for analysis_set in ANALYSIS_SETS
        for column in dict.fromkeys((*present, primary))
        for row in rows
    }
    rows = _best_first(rows, estimates, primary)
    labels = [row.label for row in rows]
    if baseline is not None and baseline not in labels:
        raise ValueError(f"baseline={baseline}: no such row; rows here: {', '.join(labels)}")
    others = {c.key: c for c in present if c.downstream and c != primary}
    tests = with_decisions(compare_pairs(rows, primary, baseline, worst), primary, margin)
    side = {key: compare_pairs(rows, c, baseline, worst) for key, c in others.items()}
    pairs: dict[tuple[AnalysisSet, str], tuple[Pair, ...]] = {("all", primary.key): tests}
    pairs |= {("all", key): of for key, of in exploratory(side, others, primary).items()}
    skewed = [
        column
        for column in present
        if abs(skewness_z(score_matrix(rows, column, "all", worst))) > _SKEWED
    ]
    main = {row.label: estimates["all", primary.key, row.label] for row in rows}
    answer = find_top(rows, main, tests, primary)
    compared = Compared(
        rows=rows,
        answer=answer,
        metrics=present,
        primary=primary,
        smallest_effect=margin,
        baseline=baseline,
    )
    tuning = tuple(summarise(study, compared) for study in studies)
    correlation = correlation_over_seeds(score_matrix(rows, primary, "all", worst))
    unswept = tuple(
        UnsweptSetting(key=key, values=counted(runs, key), apart=key in kept_apart)
        for key in differences.unswept
    )
    return Comparison(
        runs=runs,
        axes=differences.axes,
        unswept=unswept,
        shared=shared_settings(runs.runs),
        rows=rows,
        references=references(rows, present),
        metrics=present,
        primary=primary,
        baseline=baseline,
        estimates=estimates,
        pairs=pairs,
        skewed=tuple(column.key for column in skewed),
        smallest_effect=margin,
        answer=answer,
        best=None if turns_over(tuning) else best_row(rows, main, tests, primary),
        correlation=correlation,
        task_widening=conclusion.about_tasks(widening_by_tasks(rows, tests, primary)),
        conclusion=(
            *with_lengths(
                conclusion.write_conclusion(rows, main, tests, primary, baseline), tuning
            ),
            *conclusion.about_pairing(correlation, primary),
        ),
        warnings=find_warnings(runs, rows, main, tests, primary, unswept, chosen, skewed, tuning),
        provenance={
            key: counted([run for run in runs if run.provenance], key)
            for key in sorted({key for run in runs for key in run.provenance})
        },
        tuning=tuning,
    )


def _metric_keys(runs: Runs) -> list[str]:
    """Those of runs with a result. Of more than a hundred the most frequent ones: one run with a
    thousand keys of its own must not push out those that all runs share."""
    counts = Counter(
        key
        for run in runs
        if run.status is not None
        for key in run.metrics
        if key.startswith(catalogue.PREFIX)
    )
    return sorted(counts, key=lambda key: (-counts[key], key))[:_MOST_METRICS]


def _primary(name: str | None, present: Sequence[Metric], stated: set[str | None]) -> Metric:
    """The one asked for; else what all runs' sources state, detour success, or the first one."""
    if name is not None:
        return catalogue.find(name, present)
    agreed = next((m for m in present if stated == {m.key} and m.downstream), None)
    default = agreed or catalogue.describe(catalogue.PRIMARY)
    downstream = [metric for metric in present if metric.downstream]
    return default if default in present or not downstream else downstream[0]


def _best_first(rows: Sequence[Row], estimates: Estimates, primary: Metric) -> tuple[Row, ...]:
    """By mean of the primary metric, better first; rows without a score last.

    Of equal means the row with fewer diverged runs comes first: a run that collapsed to the worst
    score there is has left an encoder all the same. Then by label.
    """
    sign = 1.0 if primary.better == "lower" else -1.0

    def place(row: Row) -> tuple[bool, float, float, str]:
        estimate = estimates["all", primary.key, row.label]
        mean = sign * estimate.mean if estimate.n else 0.0
        return estimate.n == 0, mean, row.counts.get("diverged", 0) / len(row.runs), row.label

    return tuple(sorted(rows, key=place))
