"""Every two rows, compared seed by seed and task by task."""

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from jepa_compare.comparison import conclusion
from jepa_compare.comparison.differences import LOSS_KEYS, governs, value_of
from jepa_compare.comparison.results import Pair, Row
from jepa_compare.comparison.runs import Run, Value
from jepa_compare.comparison.scores import Worst, score, scores_by_seed
from jepa_compare.metrics import Metric
from jepa_compare.statistics import (
    ALPHA,
    FEWEST_FOR_SHAPE,
    decide,
    detectable_difference,
    holm,
    paired_by_task,
    probability_of_improvement,
    sign_flip,
    t_test,
)

Unit = tuple[Value, ...]
"""What two runs share that are paired: the seed, then the settings that both rows average over."""
Units = Mapping[Unit, Sequence[Run]]

MOST_ROWS = 40
MOST_PAIRS = MOST_ROWS * (MOST_ROWS - 1) // 2
"""Above this, rows are not all compared with each other: Holm over 780 pairs accepts nothing."""


def compare_pairs(
    rows: Sequence[Row], metric: Metric, baseline: str | None, worst: Worst
) -> tuple[Pair, ...]:
    """All pairs of rows, or those with the row labelled `baseline`, in the order of the rows; with
    intervals and uncorrected tests.

    Above 40 rows those with fewer than two scores are left aside; if more than 40 are left and
    there is no baseline, losses are compared where all other axes agree, and not at all beyond 780
    pairs.
    """
    scores = {row.label: scores_by_seed(row, metric, "all", worst) for row in rows}
    if len(rows) > MOST_ROWS:
        rows = [row for row in rows if len(scores[row.label]) > 1 or row.label == baseline]
    if baseline is not None:
        base = next(row for row in rows if row.label == baseline)
        chosen = [(row, base) for row in rows if row is not base]
    elif len(rows) <= MOST_ROWS:
        chosen = list(itertools.combinations(rows, 2))
    else:
        chosen = _within_combinations(rows)
    pairer = _Pairer(metric, scores, worst)
    pairs = [pairer.pair(a, b) for a, b in chosen]
    if not pairs:
        return ()
    table = _table(pairs)
    test = t_test(table)
    clean = np.array([not pair.confounded for pair in pairs])
    p, flipped = (np.where(clean, values, np.nan) for values in (test.p, sign_flip(table)))
    return tuple(
        replace(
            pair,
            mean=float(test.mean[i]),
            interval=test.interval(i),
            p=float(p[i]),
            p_sign_flip=float(flipped[i]),
            note=_why_no_test(pair) if math.isnan(p[i]) else "",
        )
        for i, pair in enumerate(pairs)
    )


def _table(pairs: Sequence[Pair]) -> Float[np.ndarray, "pairs seeds"]:
    """Differences by seed, NaN where a pair lacks one."""
    seeds = sorted({seed for pair in pairs for seed in pair.differences})
    table = np.array([[p.differences.get(seed, np.nan) for seed in seeds] for p in pairs], float)
    return table.reshape(len(pairs), len(seeds))


def with_decisions(pairs: Sequence[Pair], metric: Metric, margin: float | None) -> tuple[Pair, ...]:
    """The pairs of the primary metric with what is claimed of them, in one family.

    One whose difference does not vary counts in the family as one that is not rejected: leaving it
    out would let the data choose the family. A pair that something confounds is not in it.
    """
    if not pairs:
        return ()
    table = _table(pairs)
    table[[bool(pair.confounded) for pair in pairs]] = np.nan
    results = []
    for pair, decision in zip(pairs, decide(table, margin), strict=True):
        result = replace(pair, decision=decision, p_holm=decision.p_better)
        if not pair.note:
            level = ALPHA / decision.pairs
            least = detectable_difference(decision.sd, len(pair.differences), level)
            result = replace(result, detectable=least)
        results.append(conclusion.with_sentence(result, metric))
    return tuple(results)


def exploratory(
    pairs: Mapping[str, Sequence[Pair]], metrics: Mapping[str, Metric], primary: Metric
) -> dict[str, tuple[Pair, ...]]:
    """The pairs of the other metrics, p corrected by Holm over all metrics and pairs together.

    The probe's R² and its RMSE are one measurement: RMSE counts, and R² has no p beside it.
    """
    same = {"eval/probe_r2", "eval/probe_rmse"}
    counted = {
        key: of_metric
        for key, of_metric in pairs.items()
        if not (key in same and primary.key in same)
        and not (key == "eval/probe_r2" and "eval/probe_rmse" in pairs)
    }
    flat = [pair for of_metric in counted.values() for pair in of_metric]
    family = np.array(
        [
            math.nan
            if len(pair.differences) < 2 or pair.confounded
            else 1.0
            if math.isnan(pair.p)
            else pair.p
            for pair in flat
        ],
        float,
    )
    corrected = iter(holm(family).tolist())
    results = {}
    for key, of_metric in pairs.items():
        p = [next(corrected) if key in counted else math.nan for _ in of_metric]
        results[key] = tuple(
            conclusion.with_sentence(
                replace(pair, p_holm=math.nan if pair.note else value), metrics[key]
            )
            for pair, value in zip(of_metric, p, strict=True)
        )
    return results


def _within_combinations(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Pairs of rows that differ in the loss alone; none if there are too many."""
    groups: dict[tuple[Value, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(v for key, v in row.axes.items() if key not in LOSS_KEYS)].append(row)
    pairs = [pair for group in groups.values() for pair in itertools.combinations(group, 2)]
    return pairs if len(pairs) <= MOST_PAIRS else []


def _why_no_test(pair: Pair) -> str:
    if pair.confounded:
        return f"also differ in {', '.join(pair.confounded)}: no test"
    if len(pair.differences) < 2:
        return ("no seed in common", "one seed in common")[len(pair.differences)] + ": no test"
    return "the difference does not vary over seeds: no test"


class _Pairer:
    """Pairs rows on one metric; each row is sorted into units once."""

    def __init__(
        self, metric: Metric, scores: Mapping[str, Mapping[int, float]], worst: Worst
    ) -> None:
        """`scores`: by row label and seed."""
        self.metric, self.scores, self.worst = metric, scores, worst
        self._kind = metric.tasks
        self._units: dict[tuple[str, tuple[str, ...]], Units] = {}

    def pair(self, a: Row, b: Row) -> Pair:
        """Mean difference per seed over the units that both rows have a score for."""
        keys = _matching(a, b)
        of_a, of_b = self._by_unit(a, keys), self._by_unit(b, keys)
        units = [unit for unit in of_a if unit in of_b]
        gaps = [self._score(of_a[unit]) - self._score(of_b[unit]) for unit in units]
        counts = [self._tasks(of_a[unit], of_b[unit]) for unit in units]
        by_task = [count for count in counts if count is not None]
        tasks = None
        if counts and len(by_task) == len(counts):  # all or none: one kind of difference per pair
            gaps = [count[0] for count in by_task]
            _, only_a, only_b, every = zip(*by_task, strict=True)
            tasks = sum(only_a), sum(only_b), sum(every)
        per_seed: dict[int, list[float]] = defaultdict(list)
        for (seed, *_), gap in zip(units, gaps, strict=True):
            assert isinstance(seed, int)
            per_seed[seed].append(gap)
        differences = {seed: sum(v) / len(v) for seed, v in sorted(per_seed.items())}
        return Pair(
            a=a.label,
            b=b.label,
            metric=self.metric.key,
            analysis_set="all",
            differences=differences,
            dropped=len({*a.seeds, *b.seeds}) - len(differences),
            improvement=self._improvement(a, b),
            tasks=tasks,
            confounded=tuple(key for key in a.unswept if _confounds(key, a, b)),
        )

    def _by_unit(self, row: Row, keys: tuple[str, ...]) -> Units:
        slot = row.label, keys
        if slot not in self._units:
            units: dict[Unit, list[Run]] = defaultdict(list)
            for run in row.runs:
                if not math.isnan(score(run, self.metric, "all", self.worst)):
                    units[(run.seed, *(value_of(run, key) for key in keys))].append(run)
            self._units[slot] = units
        return self._units[slot]

    def _improvement(self, a: Row, b: Row) -> float | None:
        x, y = (np.array(list(self.scores[row.label].values())) for row in (a, b))
        if min(len(x), len(y)) < FEWEST_FOR_SHAPE or self.metric.better is None:
            return None
        return probability_of_improvement(x, y, self.metric.better == "higher")

    def _score(self, runs: Sequence[Run]) -> float:
        return sum(score(run, self.metric, "all", self.worst) for run in runs) / len(runs)

    def _tasks(self, a: Sequence[Run], b: Sequence[Run]) -> tuple[float, int, int, int] | None:
        """`paired_by_task`, if one run stands on each side and both played the same tasks."""
        if self._kind is None or len(a) != 1 or len(b) != 1:
            return None
        if len({run.evaluation for run in (*a, *b) if run.status != "diverged"}) > 1:
            return None
        one, other = (run.tasks.get(self._kind) for run in (a[0], b[0]))
        if one is None and a[0].status == "diverged" and other is not None:
            one = replace(other, success=0 * other.success)  # it solves none
        if other is None and b[0].status == "diverged" and one is not None:
            other = replace(one, success=0 * one.success)
        if one is None or other is None or len(one.success) != len(other.success):
            return None
        result = paired_by_task(one.success, other.success)
        return result if result[3] else None


def _matching(a: Row, b: Row) -> tuple[str, ...]:
    """Settings that both rows average over and have a value of in common: runs are paired by them.

    A setting that only one of two losses has cannot be matched; its runs are averaged.
    """
    return tuple(
        key
        for key in a.averaged
        if {value_of(run, key) for run in a.runs} & {value_of(run, key) for run in b.runs}
    )


def _confounds(key: str, a: Row, b: Row) -> bool:
    """Whether the rows differ in an unswept key for another reason than being two losses.

    A setting of vicreg alone that was edited keeps two vicreg rows from being tested against each
    other, not against dino, which has no such setting.
    """
    if a.unswept[key] == b.unswept.get(key):
        return False
    return not any(governs(axis, key) and a.axes[axis] != b.axes[axis] for axis in a.axes)
