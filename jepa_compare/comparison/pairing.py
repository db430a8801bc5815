"""Every two rows, compared seed by seed and task by task."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jepa_compare.comparison import verdict
from jepa_compare.comparison.findings import Pair, Reading, Row
from jepa_compare.comparison.metrics import Metric
from jepa_compare.comparison.runs import TaskRows
from jepa_compare.comparison.scores import score, scores_by_seed
from jepa_compare.comparison.statistics import (
    ALPHA,
    FEWEST_FOR_SHAPE,
    detectable_difference,
    holm,
    paired_by_task,
    probability_of_improvement,
    sign_flip,
    t_test,
)

Scores = Mapping[int, float]

MOST_ROWS = 40
"""Above this, rows are not all compared with each other: Holm over 780 pairs accepts nothing."""


def compare_pairs(
    rows: Sequence[Row], metric: Metric, reading: Reading, baseline: str | None
) -> tuple[Pair, ...]:
    """All pairs of rows, or those with the row labelled `baseline`, in the order of the rows.

    The family of Holm's correction is the pairs returned here that have a test: a pair without
    two common seeds, without variance, or with settings that differ behind the sweep's back has
    none. Empty above 40 rows without a baseline.
    """
    if baseline is not None:
        base = next(row for row in rows if row.label == baseline)
        chosen = [(row, base) for row in rows if row is not base]
    elif len(rows) <= MOST_ROWS:
        chosen = [(a, b) for index, a in enumerate(rows) for b in rows[index + 1 :]]
    else:
        chosen = []
    if not chosen:
        return ()
    scores = {row.label: scores_by_seed(row, metric, reading) for row in rows}
    paired = [_pair_up(a, b, metric, reading, scores) for a, b in chosen]
    seeds = sorted({seed for pair in paired for seed in pair.differences})
    table = np.array([[p.differences.get(seed, np.nan) for seed in seeds] for p in paired], float)
    table = table.reshape(len(paired), len(seeds))
    clean = np.array([not pair.confounded for pair in paired])
    test, flipped = t_test(table), sign_flip(table)
    p = np.where(clean, test.p, np.nan)
    corrected = holm(p)
    return tuple(
        verdict.with_sentence(
            Pair(
                a=pair.a.label,
                b=pair.b.label,
                metric=metric.key,
                reading=reading,
                differences=pair.differences,
                dropped=len({*pair.a.seeds, *pair.b.seeds}) - len(pair.differences),
                mean=float(test.mean[i]),
                interval=None
                if math.isnan(test.low[i])
                else (float(test.low[i]), float(test.high[i])),
                p=float(p[i]),
                p_holm=float(corrected[i]),
                p_sign_flip=float(flipped[i]) if clean[i] else math.nan,
                improvement=_improvement(scores[pair.a.label], scores[pair.b.label], metric),
                detectable=math.nan
                if math.isnan(p[i])
                else detectable_difference(float(test.sd[i]), len(pair.differences)),
                tasks=pair.tasks,
                confounded=pair.confounded,
                separable=bool(corrected[i] < ALPHA),
                note=_why_no_test(pair) if math.isnan(p[i]) else "",
                sentence="",
            ),
            metric,
        )
        for i, pair in enumerate(paired)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Paired:
    """Two rows side by side."""

    a: Row
    b: Row
    differences: dict[int, float]
    """a - b per seed."""
    tasks: tuple[int, int, int] | None
    confounded: tuple[str, ...]


def _why_no_test(pair: _Paired) -> str:
    if pair.confounded:
        return f"also differ in {', '.join(pair.confounded)}: no test"
    if len(pair.differences) < 2:
        return ("no seed in common", "one seed in common")[len(pair.differences)] + ": no test"
    return "the difference does not vary over seeds: no test"


def _improvement(a: Scores, b: Scores, metric: Metric) -> float | None:
    if min(len(a), len(b)) < FEWEST_FOR_SHAPE or metric.better is None:
        return None
    own, others = np.array(list(a.values())), np.array(list(b.values()))
    return probability_of_improvement(own, others, metric.better == "higher")


def _pair_up(
    a: Row, b: Row, metric: Metric, reading: Reading, scores: Mapping[str, Scores]
) -> _Paired:
    """Difference per common seed, on common tasks where both recorded them; and task counts."""
    own, others = scores[a.label], scores[b.label]
    by_score = {seed: own[seed] - others[seed] for seed in sorted(own.keys() & others.keys())}
    by_task, counts = _by_task(a, b, metric, reading, by_score)
    return _Paired(
        a=a,
        b=b,
        differences=by_score if counts is None else by_task,
        tasks=counts,
        confounded=tuple(key for key, value in a.drift.items() if b.drift.get(key) != value),
    )


def _by_task(
    a: Row, b: Row, metric: Metric, reading: Reading, seeds: Iterable[int]
) -> tuple[dict[int, float], tuple[int, int, int] | None]:
    """The same from the tasks' outcomes; no counts when some seed lacks them on either side."""
    kind = metric.name.removeprefix("success_")
    differences: dict[int, float] = {}
    only_a = only_b = every = 0
    for seed in seeds if kind != metric.name else ():
        one, other = (_tasks(row, seed, kind, metric, reading) for row in (a, b))
        if one is None or other is None or len(one.success) != len(other.success):
            return {}, None
        gap, first, second, tasks = paired_by_task(one.success, other.success)
        if tasks == 0:
            return {}, None
        differences[seed] = gap
        only_a, only_b, every = only_a + first, only_b + second, every + tasks
    return differences, (only_a, only_b, every) if every else None


def _tasks(row: Row, seed: int, kind: str, metric: Metric, reading: Reading) -> TaskRows | None:
    """The rows behind a seed's score, if exactly one run stands behind it."""
    runs = [
        run for run in row.runs if run.seed == seed and not math.isnan(score(run, metric, reading))
    ]
    if len(runs) != 1:
        return None
    if runs[0].verdict != "diverged":
        return runs[0].tasks.get(kind)
    untrained = runs[0].floors.get("untrained")
    return None if untrained is None else untrained.tasks.get(kind)
