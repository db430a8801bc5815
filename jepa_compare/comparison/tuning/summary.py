"""From the runs of a study to what the section "Tuning" says."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from jepa_compare.comparison import conclusion
from jepa_compare.comparison.differences import LOSS, Differences
from jepa_compare.comparison.pairs import compare_pairs, with_decisions
from jepa_compare.comparison.results import Row, TopGroup
from jepa_compare.comparison.rows import group_rows
from jepa_compare.comparison.runs import Run
from jepa_compare.comparison.scores import Worst, estimate, score, scores_by_seed, worst_scores
from jepa_compare.comparison.smallest_effect import smallest_effect
from jepa_compare.comparison.statistics import median_best_of, share_near_best
from jepa_compare.comparison.top_group import find_top
from jepa_compare.comparison.tuning.results import (
    AtLength,
    LossTuning,
    Mean,
    Parameter,
    Share,
    Trial,
    Tuning,
)
from jepa_compare.comparison.tuning.selection import StudyRuns
from jepa_compare.metrics import Metric, describe

_COLLAPSED = ("complete_collapse", "no_better_than_untrained")


def without_searched(differences: Differences, studies: Sequence[StudyRuns]) -> Differences:
    """Without what a study searched: the selected settings are part of what a loss is there."""
    searched = {key for s in studies for loss in s.study.losses.values() for key in loss.space}
    return Differences(
        axes=tuple(key for key in differences.axes if key not in searched),
        unswept=tuple(key for key in differences.unswept if key not in searched),
    )


def summarise(
    runs: StudyRuns,
    rows: Sequence[Row],
    answer: TopGroup,
    metrics: Sequence[Metric],
    primary: Metric,
    effect: float | None,
    baseline: str | None,
) -> Tuning:
    """What the study behind the `rows` of a comparison did.

    `answer`, `metrics` and `primary` are those of the comparison, `effect` the smallest one of
    interest in `primary`, `baseline` the label of a row.
    """
    study, names = runs.study, _names(runs, rows)
    everything = (*runs.trials, *runs.confirm, *runs.tuned, *runs.shipped)
    everything += tuple(run for members in runs.longer.values() for run in members)
    metric = next((m for m in (primary, *metrics) if m.key == study.metric), None)
    metric = metric or describe(study.metric)
    margin = effect if metric == primary else smallest_effect(everything, metric)
    worst = worst_scores(everything, (metric, primary))
    return Tuning(
        study=study,
        metric=metric,
        smallest_effect=margin,
        losses=tuple(
            _loss(loss, runs, _of(everything, loss), metric, margin, worst)
            for loss in dict.fromkeys((*names.values(), *study.losses))
        ),
        lengths=tuple(
            _at_length(length, members, primary, effect, answer, names, baseline, worst)
            for length, members in sorted(runs.longer.items())
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
    length: int,
    runs: Sequence[Run],
    metric: Metric,
    margin: float | None,
    answer: TopGroup,
    names: Mapping[str, str],
    baseline: str | None,
    worst: Worst,
) -> AtLength:
    """The same comparison at another length, a family of tests of its own."""
    rows = group_rows(runs, Differences(axes=(LOSS,), unswept=()))
    scores = {row.label: scores_by_seed(row, metric, "all", worst) for row in rows}
    estimates = {row.label: estimate(scores[row.label], len(row.seeds)) for row in rows}
    base = names.get(baseline or "")
    base = base if base in estimates else None
    pairs = with_decisions(compare_pairs(rows, metric, base, worst), metric, margin)
    top = {names[label] for label in answer.top if label in names}
    before = {names[item.row] for item in answer.beaten if item.row in names}
    beaten = {item.row for item in find_top(rows, estimates, pairs, metric).beaten}
    return AtLength(
        length=length,
        scores={row.label: Mean.of(scores[row.label]) for row in rows},
        answer="turns over" if beaten & top else "holds" if before <= beaten else "open",
        conclusion=conclusion.conclusion(rows, estimates, pairs, metric, base),
    )
