"""From rows of runs to estimates: which number a run counts with, and its mean over seeds.

The rule for what did not end well (the analysis set "all"): a collapsed run counts with its own
score; a diverged one, which leaves no encoder, with the worst score that there is (`worst_scores`);
a failed, interrupted or unfinished one is missing. The set "healthy" takes healthy runs only.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from jepa_compare.comparison.results import (
    AnalysisSet,
    Estimate,
    Pair,
    Reference,
    Row,
    TaskWidening,
)
from jepa_compare.comparison.runs import Floor, Run
from jepa_compare.metrics import Metric
from jepa_compare.references import reference_policies
from jepa_compare.statistics import (
    FEWEST_FOR_SHAPE,
    interquartile_mean,
    t_test,
    task_widening,
)

Worst = Mapping[str, float]
"""By metric key: what a diverged run counts with."""


def worst_scores(runs: Iterable[Run], metrics: Iterable[Metric]) -> Worst:
    """The worst value that a metric can have (a success rate: 0); where it has no such bound, the
    worst that any run or any untrained encoder of the comparison has.

    So a loss that diverges in all seeds never ranks above one that collapses, on any metric.
    """
    runs, worst = tuple(runs), dict[str, float]()
    for metric in metrics:
        bound = metric.high if metric.better == "lower" else metric.low
        sources = (source for run in runs for source in (run.metrics, untrained_metrics(run)))
        values = [source.get(metric.key, math.nan) for source in sources]
        values = [value for value in values if math.isfinite(value)]
        if metric.better is None:  # a diagnostic without a direction has no worst value
            continue
        if bound is not None:
            worst[metric.key] = bound
        elif values:
            worst[metric.key] = max(values) if metric.better == "lower" else min(values)
    return worst


def score(run: Run, metric: Metric, analysis_set: AnalysisSet, worst: Worst) -> float:
    """What a run counts with; NaN when it has no finite number."""
    if run.status is None or (analysis_set == "healthy" and run.status != "healthy"):
        return math.nan
    value = (worst if run.status == "diverged" else run.metrics).get(metric.key, math.nan)
    return value if math.isfinite(value) else math.nan


def untrained_metrics(run: Run) -> Mapping[str, float]:
    """Metrics of the run's encoder at initialisation, planning included."""
    floor = run.floors.get("untrained")
    return {**(floor.metrics if floor else {}), **run.untrained}


def scores_by_seed(
    row: Row, metric: Metric, analysis_set: AnalysisSet, worst: Worst
) -> dict[int, float]:
    """Finite score per seed, the mean where a seed has several runs."""
    scores: dict[int, list[float]] = defaultdict(list)
    for run in row.runs:
        value = score(run, metric, analysis_set, worst)
        if not math.isnan(value):
            scores[run.seed].append(value)
    return {seed: sum(values) / len(values) for seed, values in scores.items()}


def estimate(scores: Mapping[int, float], seeds: int) -> Estimate:
    """Mean and t-interval of per-seed scores; `seeds` is how many there should be."""
    values = np.array(list(scores.values()), float)
    test = t_test(values[None])
    interval = test.interval(0)
    reasons = ("no run with a score", "one seed: no interval", "no variance: no interval")
    return Estimate(
        scores=scores,
        missing=seeds - len(scores),
        mean=float(test.mean[0]),
        interval=interval,
        sd=float(test.sd[0]),
        iqm=interquartile_mean(values) if len(values) >= FEWEST_FOR_SHAPE else None,
        note="" if interval else reasons[min(len(values), 2)],
    )


def score_matrix(
    rows: Sequence[Row], metric: Metric, analysis_set: AnalysisSet, worst: Worst
) -> Float[np.ndarray, "rows seeds"]:
    """Scores of rows over all seeds of the comparison, NaN where one is missing."""
    seeds = sorted({seed for row in rows for seed in row.seeds})
    place = {seed: index for index, seed in enumerate(seeds)}
    matrix = np.full((len(rows), len(seeds)), np.nan)
    for index, row in enumerate(rows):
        for seed, value in scores_by_seed(row, metric, analysis_set, worst).items():
            matrix[index, place[seed]] = value
    return matrix


_Outcomes = Mapping[tuple[int, str | None], Float[np.ndarray, " tasks"]]


def widening_by_tasks(
    rows: Sequence[Row], pairs: Sequence[Pair], metric: Metric
) -> TaskWidening | None:
    """What intervals given the tasks leave out, from the outcome of every task at every seed."""
    outcomes = {row.label: _outcomes(row, metric.tasks) for row in rows if metric.tasks}
    differences: list[_Outcomes] = []
    for pair in pairs:
        a, b = outcomes.get(pair.a, {}), outcomes.get(pair.b, {})
        shared = [key for key in a if key in b and len(a[key]) == len(b[key])]
        differences.append({key: a[key] - b[key] for key in shared if not pair.confounded})
    row, difference = (_median_widening(of) for of in (outcomes.values(), differences))
    if math.isnan(row) and math.isnan(difference):
        return None
    counts = [len(array) for by_seed in outcomes.values() for array in by_seed.values()]
    return TaskWidening(tasks=statistics.median_low(counts), row=row, difference=difference)


def _outcomes(row: Row, kind: str | None) -> _Outcomes:
    """Success by task, by (seed, evaluation); the mean where a seed has several runs."""
    found: dict[tuple[int, str | None], list[Float[np.ndarray, " tasks"]]] = defaultdict(list)
    for run in row.runs:
        if run.status is not None and kind is not None and kind in run.tasks:
            found[run.seed, run.evaluation].append(run.tasks[kind].success)
    return {
        key: np.mean(arrays, axis=0)
        for key, arrays in found.items()
        if len({len(array) for array in arrays}) == 1
    }


def _median_widening(tables: Iterable[_Outcomes]) -> float:
    factors = [
        task_widening(np.stack(list(of_seeds.values())))
        for of_seeds in tables
        if len({(evaluation, len(array)) for (_, evaluation), array in of_seeds.items()}) == 1
    ]
    known = [factor for factor in factors if math.isfinite(factor)]
    return statistics.median(known) if known else math.nan


def references(rows: Sequence[Row], metrics: Sequence[Metric]) -> tuple[Reference, ...]:
    """Floors and ceilings: one per policy, or one per policy and set of rows that share it.

    Rows share a floor when they name the same file; a sweep over two worlds has two of each.
    """
    references: list[Reference] = []
    named = {name for row in rows for run in row.runs for name in run.floors}
    for policy in reference_policies(named):
        shared = _sharing(rows, policy.name)
        for members in shared:
            estimates = _reference_estimates(members, policy.name, metrics)
            names = tuple(row.label for row in members)
            others = ", ".join(names[:2]) + (", …" if len(names) > 2 else "")
            if estimates:
                references.append(
                    Reference(
                        label=policy.label + (f" ({others})" if len(shared) > 1 else ""),
                        policy=policy.name,
                        rows=names,
                        estimates=estimates,
                    )
                )
    return tuple(references)


def _sharing(rows: Sequence[Row], policy: str) -> list[list[Row]]:
    """Rows in groups that are linked by a common floor file; rows without one are left out."""
    groups: list[tuple[set[str], list[Row]]] = []
    for row in rows:
        keys = {run.floors[policy].key for run in row.runs if policy in run.floors}
        if not keys:
            continue
        linked = [group for group in groups if group[0] & keys]
        groups = [group for group in groups if not group[0] & keys]
        members = [member for group in linked for member in group[1]]
        groups.append((keys.union(*(group[0] for group in linked)), [*members, row]))
    return [members for _, members in groups]


def first_floors(runs: Iterable[Run]) -> dict[str, Floor]:
    """The floors of `runs` by key: of files with one key the first, in the order of paths."""
    floors: dict[str, Floor] = {}
    for run in sorted(runs, key=lambda run: str(run.path)):
        for floor in run.floors.values():
            floors.setdefault(floor.key, floor)
    return floors


def _reference_estimates(
    rows: Sequence[Row], policy: str, metrics: Sequence[Metric]
) -> dict[str, Estimate]:
    """By metric key. Each floor counts once, under its seed (or 0 if it has none).

    Of files with one key but other numbers the first counts, in the order of paths, which a warning
    says. Runs of one seed start from the same encoder: of what they measured of it, and of its
    floor, the middle value counts.
    """
    runs = [run for row in rows for run in row.runs if policy in run.floors]
    floors = [floor for floor in first_floors(runs).values() if floor.policy == policy]
    measured = [(floor.seed or 0, floor.metrics) for floor in floors]
    average = statistics.fmean
    if policy == "untrained":
        measured += [(run.seed, run.untrained) for run in runs]
        average = statistics.median_low
    seedless = all(floor.seed is None for floor in floors)
    estimates: dict[str, Estimate] = {}
    for metric in metrics:
        values: dict[int, list[float]] = defaultdict(list)
        for seed, numbers in measured:
            if math.isfinite(value := numbers.get(metric.key, math.nan)):
                values[seed].append(value)
        if values:
            scores = {seed: average(values[seed]) for seed in sorted(values)}
            result = estimate(scores, len(scores))
            estimates[metric.key] = replace(result, note="") if seedless else result
    return estimates
