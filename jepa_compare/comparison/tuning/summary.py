"""From the runs of a study to what the section "Tuning" says."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jepa_compare.comparison import conclusion
from jepa_compare.comparison.differences import LOSS, Differences
from jepa_compare.comparison.pairs import compare_pairs, with_decisions
from jepa_compare.comparison.results import Estimate, Row, TopGroup
from jepa_compare.comparison.rows import group_rows
from jepa_compare.comparison.runs import Run
from jepa_compare.comparison.scores import Worst, estimate, score, scores_by_seed, worst_scores
from jepa_compare.comparison.smallest_effect import smallest_effect
from jepa_compare.comparison.top_group import find_top
from jepa_compare.comparison.tuning.records import StudyRuns
from jepa_compare.comparison.tuning.results import (
    AtLength,
    LossTuning,
    Mean,
    Parameter,
    Share,
    Trial,
    Tuning,
)
from jepa_compare.metrics import Metric, describe
from jepa_compare.statistics import median_best_of, share_near_best

_COLLAPSED = ("complete_collapse", "no_better_than_untrained")


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """What the comparison of the tuned losses found."""

    rows: Sequence[Row]
    """Best first."""
    answer: TopGroup
    metrics: Sequence[Metric]
    primary: Metric
    smallest_effect: float | None
    """Of interest, in the primary metric."""
    baseline: str | None
    """Label of a row."""


def summarise(runs: StudyRuns, compared: Compared) -> Tuning:
    """What the study behind a comparison did."""
    study, primary = runs.study, compared.primary
    everything = (*runs.trials, *runs.confirm, *runs.tuned, *runs.shipped)
    everything += tuple(run for members in runs.longer.values() for run in members)
    known = (primary, *compared.metrics)
    metric = next((m for m in known if m.key == study.metric), None) or describe(study.metric)
    margin = smallest_effect(everything, metric) if metric != primary else compared.smallest_effect
    worst = worst_scores(everything, (metric, primary))
    losses = dict.fromkeys((*_names(runs, compared.rows).values(), *study.losses))
    return Tuning(
        study=study,
        metric=metric,
        smallest_effect=margin,
        losses=tuple(
            _loss(loss, runs, _of(everything, loss), metric, margin, worst) for loss in losses
        ),
        lengths=tuple(
            _at_length(length, runs, metric, compared, worst) for length in sorted(runs.longer)
        ),
    )


def _names(runs: StudyRuns, rows: Sequence[Row]) -> dict[str, str]:
    """The losses of the study by the labels of their rows, best first."""
    own = {run.path for run in runs.tuned}
    return {row.label: row.runs[0].loss for row in rows if row.runs[0].path in own}


def _loss(
    loss: str,
    runs: StudyRuns,
    own: Sequence[Run],
    metric: Metric,
    margin: float | None,
    worst: Worst,
) -> LossTuning:
    """`own`: every run of the loss."""
    planned, selection = runs.study.losses[loss], runs.selections[loss]
    trials = []
    for run in sorted(_of(runs.trials, loss), key=_number):
        values = {key: of_trials[_number(run)] for key, of_trials in planned.values.items()}
        trials.append(
            Trial(
                number=_number(run),
                values=values,
                score=score(run, metric, "all", worst),
                outcome=run.outcome,
                confirmed=_number(run) in selection.confirmed,
            )
        )
    ended = [run.status for run in _of(runs.trials, loss) if run.status is not None]
    scores = np.array([trial.score for trial in trials if math.isfinite(trial.score)])
    higher = metric.better != "lower"
    chosen = next((trial for trial in trials if trial.number == selection.selected), None)
    confirming = [run for run in _of(runs.confirm, loss) if _number(run) == selection.selected]
    tuned, shipped = (
        _by_seed(_of(members, loss), metric, worst) for members in (runs.tuned, runs.shipped)
    )
    gains = {seed: tuned[seed] - shipped[seed] for seed in tuned if seed in shipped}
    seconds = [run.cost.get("seconds.total", math.nan) for run in own]
    return LossTuning(
        loss=loss,
        trials=tuple(trials),
        best_of=median_best_of(scores, higher_is_better=higher),
        collapsed=Share(hits=sum(status in _COLLAPSED for status in ended), of=len(ended)),
        diverged=Share(hits=ended.count("diverged"), of=len(ended)),
        near_best=None
        if margin is None or not len(scores)
        else share_near_best(scores, margin, higher_is_better=higher),
        parameters=tuple(
            Parameter(key=key, searched=searched, selected=chosen and chosen.values[key])
            for key, searched in planned.space.items()
        ),
        selected=selection.selected,
        trial_score=chosen.score if chosen else math.nan,
        confirmed=Mean.of(_by_seed(confirming, metric, worst)),
        tuned=Mean.of(tuned),
        shipped=Mean.of(shipped),
        gain=Mean.of(gains),
        runs=len(own),
        seconds=sum(value for value in seconds if math.isfinite(value)),
    )


def _of(runs: Iterable[Run], loss: str) -> list[Run]:
    return [run for run in runs if run.loss == loss]


def _number(run: Run) -> int:
    """Of the trial whose settings the run has."""
    assert run.study is not None
    assert run.study.trial is not None
    return run.study.trial


def _by_seed(runs: Iterable[Run], metric: Metric, worst: Worst) -> dict[int, float]:
    scores = {run.seed: score(run, metric, "all", worst) for run in runs}
    return {seed: value for seed, value in sorted(scores.items()) if math.isfinite(value)}


def _at_length(
    length: int, runs: StudyRuns, metric: Metric, compared: Compared, worst: Worst
) -> AtLength:
    """The same comparison at another length, a family of tests of its own."""
    primary, members = compared.primary, runs.longer[length]
    rows = group_rows(members, Differences(axes=(LOSS,), unswept=(), settings=()))
    estimates = {
        row.label: estimate(scores_by_seed(row, primary, "all", worst), len(row.seeds))
        for row in rows
    }
    names = _names(runs, compared.rows)
    base = names.get(compared.baseline or "")
    base = base if base in estimates else None
    pairs = compare_pairs(rows, primary, base, worst)
    pairs = with_decisions(pairs, primary, compared.smallest_effect)
    top = {names[label] for label in compared.answer.top if label in names}
    before = {names[item.row] for item in compared.answer.beaten if item.row in names}
    beaten = {item.row for item in find_top(rows, estimates, pairs, primary).beaten}
    scores = {loss: _by_seed(_of(members, loss), metric, worst) for loss in runs.study.losses}
    return AtLength(
        length=length,
        scores={loss: Mean.of(of_loss) for loss, of_loss in scores.items()},
        answer="turns over" if beaten & top else "holds" if before <= beaten else "open",
        conclusion=conclusion.conclusion(
            sorted(rows, key=_best_first(estimates, primary)), estimates, pairs, primary, base
        ),
    )


def _best_first(estimates: Mapping[str, Estimate], metric: Metric) -> Callable[[Row], float]:
    """A key to sort rows by; one without a score comes last."""
    sign = 1 if metric.better == "lower" else -1

    def place(row: Row) -> float:
        mean = estimates[row.label].mean
        return math.inf if math.isnan(mean) else sign * mean

    return place
