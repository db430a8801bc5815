"""From rows of runs to estimates: which number a run counts with, and its mean over seeds.

The rule for what did not end well (the analysis set "all"): a collapsed run counts with its own
score, a diverged one with that of its untrained encoder (all that is left of it), a failed,
interrupted or unfinished one is missing. The set "healthy" takes healthy runs only.
"""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from jepa_compare.comparison.results import AnalysisSet, Estimate, Reference, Row
from jepa_compare.comparison.runs import Floor, Run
from jepa_compare.comparison.statistics import FEWEST_FOR_SHAPE, interquartile_mean, t_test
from jepa_compare.metrics import Metric, reference_policies


def score(run: Run, metric: Metric, analysis_set: AnalysisSet) -> float:
    """What a run counts with; NaN when it has no finite number."""
    if run.status is None or (analysis_set == "healthy" and run.status != "healthy"):
        return math.nan
    source = run.metrics if run.status != "diverged" else untrained_metrics(run)
    value = source.get(metric.key, math.nan)
    return value if math.isfinite(value) else math.nan


def untrained_metrics(run: Run) -> Mapping[str, float]:
    """Metrics of the run's encoder at initialisation, planning included."""
    floor = run.floors.get("untrained")
    return {**(floor.metrics if floor else {}), **run.untrained}


def scores_by_seed(row: Row, metric: Metric, analysis_set: AnalysisSet) -> dict[int, float]:
    """Finite score per seed, the mean where a seed has several runs."""
    found: dict[int, list[float]] = defaultdict(list)
    for run in row.runs:
        value = score(run, metric, analysis_set)
        if not math.isnan(value):
            found[run.seed].append(value)
    return {seed: sum(values) / len(values) for seed, values in found.items()}


def estimate(scores: Mapping[int, float], seeds: int) -> Estimate:
    """Mean and t-interval of per-seed scores; `seeds` is how many there should be."""
    values = np.array(list(scores.values()), float)
    test = t_test(values[None])
    low, high = float(test.low[0]), float(test.high[0])
    note = ""
    if math.isnan(low):
        reasons = ("no run with a score", "one seed: no interval", "no variance: no interval")
        note = reasons[min(len(values), 2)]
    return Estimate(
        scores=scores,
        missing=seeds - len(scores),
        mean=float(test.mean[0]),
        interval=None if math.isnan(low) else (low, high),
        sd=float(test.sd[0]),
        iqm=interquartile_mean(values) if len(values) >= FEWEST_FOR_SHAPE else None,
        note=note,
    )


def score_matrix(rows: Sequence[Row], metric: Metric, analysis_set: AnalysisSet) -> np.ndarray:
    """[rows seeds] of scores over all seeds of the comparison, NaN where one is missing."""
    seeds = sorted({seed for row in rows for seed in row.seeds})
    place = {seed: index for index, seed in enumerate(seeds)}
    matrix = np.full((len(rows), len(seeds)), np.nan)
    for index, row in enumerate(rows):
        for seed, value in scores_by_seed(row, metric, analysis_set).items():
            matrix[index, place[seed]] = value
    return matrix


def references(rows: Sequence[Row], metrics: Sequence[Metric]) -> tuple[Reference, ...]:
    """Floors and ceilings: one per policy, or one per policy and set of rows that share it.

    Rows share a floor when they name the same file; a sweep over two worlds has two of each.
    """
    found = []
    named = {name for row in rows for run in row.runs for name in run.floors}
    for policy in reference_policies(named):
        shared = _sharing(rows, policy.name)
        for members in shared:
            estimates = _reference_estimates(members, policy.name, metrics)
            if not estimates:
                continue
            names = tuple(row.label for row in members)
            found.append(
                Reference(
                    label=policy.label + (f" ({_joined(names)})" if len(shared) > 1 else ""),
                    policy=policy.name,
                    rows=names,
                    estimates=estimates,
                )
            )
    return tuple(found)


def _joined(names: Sequence[str]) -> str:
    return ", ".join(names[:2]) + (", …" if len(names) > 2 else "")


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


def _reference_estimates(
    rows: Sequence[Row], policy: str, metrics: Sequence[Metric]
) -> dict[str, Estimate]:
    """By metric key. Each floor file counts once, under its seed (or 0 if it has none).

    Of files with one name but other numbers the version that most runs have counts; of the
    untrained encoder that runs of one seed share, so does the middle value of theirs.
    """
    runs = [run for row in rows for run in row.runs if policy in run.floors]
    versions: dict[str, list[Floor]] = defaultdict(list)
    for run in runs:
        versions[run.floors[policy].key].append(run.floors[policy])
    floors = [_most_frequent(found) for found in versions.values()]
    seedless = all(floor.seed is None for floor in floors)
    estimates = {}
    for metric in metrics:
        found: dict[int, list[float]] = defaultdict(list)
        for floor in floors:
            found[floor.seed or 0].append(floor.metrics.get(metric.key, math.nan))
        if policy == "untrained":  # the probe of an untrained encoder stands in each run
            for run in runs:
                found[run.seed].append(run.untrained.get(metric.key, math.nan))
        finite = {
            seed: [value for value in values if math.isfinite(value)]
            for seed, values in found.items()
        }
        middle = statistics.median_low if policy == "untrained" else statistics.fmean
        scores = {seed: middle(values) for seed, values in sorted(finite.items()) if values}
        if not scores:
            continue
        found_one = estimate(scores, len(scores))
        estimates[metric.key] = replace(found_one, note="") if seedless else found_one
    return estimates


def _most_frequent(floors: Sequence[Floor]) -> Floor:
    """The first of those whose numbers occur most often (they are cached: few are distinct)."""
    distinct = list({id(floor): floor for floor in floors}.values())
    if len(distinct) == 1:
        return distinct[0]
    counts = Counter(id(floor) for floor in floors)
    votes = [sum(counts[id(f)] for f in distinct if f.metrics == own.metrics) for own in distinct]
    return distinct[votes.index(max(votes))]
