"""Which trials of a study were confirmed and which was selected: a function of its runs alone.

A trial's score is that of one run, a confirmed trial's the mean over its further seeds, on tasks of
their own; the selection uses the latter alone. A collapsed run counts with its own score, a
diverged one with the worst that there is (`scores`); none is dropped.
"""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from jepa_compare import metrics as catalogue
from jepa_compare.comparison.runs import LeftOut, Run, Runs
from jepa_compare.comparison.scores import score, worst_scores
from jepa_compare.comparison.tuning.records import Selection, StudyRuns
from jepa_compare.metrics import Metric
from jepa_compare.runs.records import Stage, Study
from jepa_compare.runs.study_records import StudyFile


def select(study: StudyFile, runs: Iterable[Run]) -> dict[str, Selection]:
    """The selection of every loss of `study`; `runs` may hold others."""
    runs = [run for run in runs if run.study is not None and run.study.id == study.id]
    metrics = _deciding_metrics(study, runs)
    ended: dict[tuple[Stage, str, int], list[tuple[float, ...]]] = {}
    for stage in ("trials", "confirm"):
        of_stage = [run for run in runs if _of(run).stage == stage and run.status is not None]
        worst = worst_scores(of_stage, metrics)
        for run in of_stage:
            trial = _of(run).trial
            if trial is not None:
                values = tuple(_signed(score(run, m, "all", worst), m) for m in metrics)
                ended.setdefault((stage, run.name, trial), []).append(values)
    return {loss: _selection(study, loss, ended) for loss in study.losses}


def _selection(
    study: StudyFile, loss: str, ended: Mapping[tuple[Stage, str, int], list[tuple[float, ...]]]
) -> Selection:
    trials = range(study.trials)
    if any(("trials", loss, trial) not in ended for trial in trials):
        return Selection()
    ranked = tuple(sorted(trials, key=lambda trial: (ended["trials", loss, trial][0], trial)))
    confirmed = ranked[: study.confirm_top]
    means: dict[int, tuple[float, ...]] = {}
    for trial in confirmed:
        scores = ended.get(("confirm", loss, trial), [])
        if len(scores) < study.confirm_seeds:
            return Selection(ranked=ranked, confirmed=confirmed)
        means[trial] = tuple(statistics.fmean(values) for values in zip(*scores, strict=True))
    selected = min(confirmed, key=lambda trial: (means[trial], ranked.index(trial)))
    return Selection(ranked=ranked, confirmed=confirmed, selected=selected)


def _deciding_metrics(study: StudyFile, runs: Sequence[Run]) -> list[Metric]:
    """The study's own, then every other downstream metric, in the order of tables, for ties."""
    described, _ = catalogue.agree([run.descriptions for run in runs])
    keys = sorted({key for run in runs for key in run.metrics if key.startswith(catalogue.PREFIX)})
    present = [metric for metric in catalogue.in_order(keys, described) if metric.downstream]
    first = next((m for m in present if m.key == study.metric), catalogue.describe(study.metric))
    return [first, *(metric for metric in present if metric != first)]


def _signed(value: float, metric: Metric) -> float:
    """So that less is better; what was not measured is worst."""
    if math.isnan(value):
        return math.inf
    return value if metric.better == "lower" else -value


def _of(run: Run) -> Study:
    assert run.study is not None
    return run.study


@dataclass
class _Sorted:
    trials: list[Run] = field(default_factory=list)
    confirm: list[Run] = field(default_factory=list)
    tuned: list[Run] = field(default_factory=list)
    shipped: list[Run] = field(default_factory=list)
    longer: dict[int, list[Run]] = field(default_factory=dict)


def split_studies(runs: Runs) -> tuple[Runs, tuple[StudyRuns, ...]]:
    """What is to be compared, and the studies behind it.

    Stages are never pooled: of a study, the tuned losses at its own length are compared. A run of
    settings that are not, or no longer, selected stands in `left_out`. Runs without their study's
    plan are compared as they are: so is a part of a study, as its runs at another length.
    """
    kept = [run for run in runs if run.study is None or run.study.id not in runs.studies]
    left_out = list(runs.left_out)
    studies: list[StudyRuns] = []
    for study in runs.studies.values():
        selections = select(study, runs)
        by_use = _Sorted()
        for run in runs:
            if run.study is None or run.study.id != study.id:
                continue
            superseded = _place(run, selections.get(run.name, Selection()), by_use)
            if superseded:
                left_out.append(LeftOut(path=run.path, what="run", reason=superseded))
        kept += by_use.tuned
        studies.append(
            StudyRuns(
                study=study,
                selections=selections,
                trials=tuple(by_use.trials),
                confirm=tuple(by_use.confirm),
                tuned=tuple(by_use.tuned),
                shipped=tuple(by_use.shipped),
                longer={length: tuple(members) for length, members in by_use.longer.items()},
            )
        )
    main = replace(runs, runs=tuple(kept), left_out=tuple(left_out), studies={})
    return main, tuple(studies)


def _place(run: Run, selection: Selection, by_use: _Sorted) -> str:
    """Put a run where it belongs; returns why it belongs nowhere."""
    study = _of(run)
    if study.stage == "trials":
        by_use.trials.append(run)
    elif study.trial is None:
        by_use.shipped.append(run)
    elif study.stage == "confirm" and study.trial in selection.confirmed:
        by_use.confirm.append(run)
    elif study.stage == "report" and study.trial == selection.selected:
        members = by_use.tuned if study.length == 1 else by_use.longer.setdefault(study.length, [])
        members.append(run)
    elif not selection.ranked or selection.selected is None:
        return f"trial {study.trial} of a study that has selected none yet"
    else:
        return f"superseded: trial {study.trial} of {run.name} is not selected any more"
    return ""


def describe_progress(study: StudyRuns) -> str:
    """How far a study is that has nothing to compare yet."""
    counts = Counter(
        _of(run).stage for run in (*study.trials, *study.confirm) if run.status is not None
    )
    trials = study.study.trials * len(study.study.losses)
    return (
        f"nothing is selected yet in study {study.study.id}: {counts['trials']} of {trials} trials"
        f" and {counts['confirm']} confirming runs have ended"
    )
