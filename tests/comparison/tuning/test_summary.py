"""What a comparison says of a study: every number again from the runs on disk."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jepa_compare.comparison import Comparison, Run, Runs, compare, load_runs
from jepa_compare.comparison.tuning.results import Tuning
from jepa_compare.comparison.tuning.selection import select
from jepa_compare.runs.records import Study
from jepa_compare.runs.study_records import StudyFile
from jepa_compare.statistics import median_best_of, t_test
from tests.support.synthetic_study import COLLAPSES_BELOW

METRIC = "eval/success_detour"


@pytest.fixture(scope="module")
def runs(study_sweep: Path) -> Runs:
    return load_runs(study_sweep)


@pytest.fixture(scope="module")
def record(runs: Runs) -> StudyFile:
    (record,) = runs.studies.values()
    return record


@pytest.fixture(scope="module")
def comparison(runs: Runs) -> Comparison:
    return compare(runs)


@pytest.fixture(scope="module")
def tuning(comparison: Comparison) -> Tuning:
    (tuning,) = comparison.tuning
    return tuning


def of(runs: Iterable[Run], loss: str, stage: str, trial: int | None, length: int = 1) -> list[Run]:
    wanted = loss, stage, trial, length
    found = [
        run
        for run in runs
        if run.study and (run.loss, run.study.stage, run.study.trial, run.study.length) == wanted
    ]
    return sorted(found, key=lambda run: run.seed)


def scores(runs: Iterable[Run]) -> dict[int, float]:
    return {run.seed: run.metrics[METRIC] for run in runs}


def test_the_table_holds_selected_settings_on_fresh_seeds_and_nothing_else(
    comparison: Comparison, tuning: Tuning, record: StudyFile
) -> None:
    selected = {loss.loss: loss.selected for loss in tuning.losses}
    assert sorted(row.label for row in comparison.rows) == sorted(record.losses)
    for row in comparison.rows:
        assert [run.seed for run in row.runs] == [3000 + k for k in range(5)]
        for run in row.runs:
            assert run.study is not None
            assert (run.study.stage, run.study.length) == ("report", 1)
            assert run.study.trial == selected[row.label]
    assert [loss.loss for loss in tuning.losses] == [row.label for row in comparison.rows]


def test_trials_have_their_settings_scores_and_marks(
    runs: Runs, tuning: Tuning, record: StudyFile
) -> None:
    selections = select(record, runs)
    for loss in tuning.losses:
        planned, selection = record.losses[loss.loss], selections[loss.loss]
        assert [trial.number for trial in loss.trials] == list(range(8))
        for trial in loss.trials:
            (run,) = of(runs, loss.loss, "trials", trial.number)
            assert trial.score == run.metrics[METRIC]
            assert trial.outcome == run.outcome
            assert trial.values == {key: v[trial.number] for key, v in planned.values.items()}
        confirmed = {trial.number for trial in loss.trials if trial.confirmed}
        assert confirmed == {*selection.confirmed}
        assert loss.selected == selection.selected
        assert loss.best_of == median_best_of(np.array([trial.score for trial in loss.trials]))


def test_every_mean_is_that_of_its_stage(runs: Runs, tuning: Tuning) -> None:
    for loss in tuning.losses:
        trial = loss.selected
        assert trial is not None
        assert loss.trial_score == loss.trials[trial].score
        assert loss.confirmed.scores == scores(of(runs, loss.loss, "confirm", trial))
        assert loss.confirmed.n == 2
        assert loss.tuned.scores == scores(of(runs, loss.loss, "report", trial))
        assert loss.shipped.scores == scores(of(runs, loss.loss, "report", None))
        assert (loss.tuned.n, loss.shipped.n) == (5, 4)
        assert loss.curse == pytest.approx(loss.tuned.mean - loss.confirmed.mean)
        gaps = [loss.tuned.scores[seed] - value for seed, value in loss.shipped.scores.items()]
        assert list(loss.gain.scores.values()) == pytest.approx(gaps)
        test = t_test(np.array([gaps]))
        assert loss.gain.mean == pytest.approx(float(test.mean[0]))
        assert loss.gain.interval == pytest.approx(test.interval(0))


def test_shares_and_cost(runs: Runs, tuning: Tuning) -> None:
    for loss in tuning.losses:
        assert loss.diverged.hits == 0
        if loss.loss == "none":
            assert loss.collapsed.hits == 8
        else:
            weight = next(p for p in loss.parameters if p.key == "aux_loss.weight")
            places = [weight.place(trial.values[weight.key]) for trial in loss.trials]
            assert loss.collapsed.hits == sum(place < COLLAPSES_BELOW for place in places) > 0
        assert loss.collapsed.of == 8
        best = max(trial.score for trial in loss.trials)
        near = [trial for trial in loss.trials if trial.score >= best - 0.1 - 1e-12]
        assert loss.near_best == len(near) / 8
        own = [run for run in runs if run.loss == loss.loss]
        assert loss.runs == len(own) == 8 + 4 + 5 + 4 + 4
        assert loss.seconds == pytest.approx(sum(run.cost["seconds.total"] for run in own))


def changed(runs: Runs, change: Callable[[Run, Study], Run | None], **fields: object) -> Runs:
    """In memory: each run as `change` makes it, without those that it makes None."""
    new = (change(run, run.study) for run in runs if run.study is not None)
    return replace(runs, runs=tuple(run for run in new if run is not None), **fields)


def test_a_diverged_trial_counts_with_the_worst_score(runs: Runs, tuning: Tuning) -> None:
    before = next(loss for loss in tuning.losses if loss.loss == "vicreg")
    number = next(t.number for t in before.trials if not t.confirmed and t.score > 0)

    def diverge(run: Run, study: Study) -> Run:
        here = (run.loss, study.stage, study.trial) == ("vicreg", "trials", number)
        return replace(run, status="diverged", metrics={}) if here else run

    (after,) = compare(changed(runs, diverge)).tuning
    loss = next(loss for loss in after.losses if loss.loss == "vicreg")
    assert loss.trials[number].score == 0
    assert (loss.diverged.hits, loss.diverged.of) == (1, 8)
    assert len(loss.best_of) == 8
    assert loss.selected == before.selected


def test_an_answer_that_holds_at_three_times_the_steps_says_so(
    comparison: Comparison, tuning: Tuning
) -> None:
    (at,) = tuning.lengths
    assert (at.length, at.answer) == (3, "holds")
    assert {mean.n for mean in at.scores.values()} == {4}
    assert comparison.best == "vicreg"
    assert comparison.conclusion[0].startswith("vicreg leads by detour success with 5 seeds")
    assert comparison.conclusion[1] == f"It holds at 3 times the steps: {at.conclusion}"


def test_an_answer_that_turns_over_is_none_and_the_first_sentence_says_so(runs: Runs) -> None:
    def worse(run: Run, study: Study) -> Run:
        if run.loss != "vicreg" or study.length == 1:
            return run
        return replace(run, metrics={**run.metrics, METRIC: run.metrics[METRIC] / 9}, tasks={})

    comparison = compare(changed(runs, worse))
    ((at,),) = [tuning.lengths for tuning in comparison.tuning]
    assert at.answer == "turns over"
    assert at.conclusion.startswith("dino leads")
    first = comparison.conclusion[0]
    assert first.startswith("The answer turns over with the length of training: at 3 times")
    assert at.conclusion in first
    assert "At the study's own length: vicreg leads" in first
    assert comparison.best is None


def test_too_few_seeds_at_a_length_leave_it_open(runs: Runs) -> None:
    comparison = compare(
        changed(runs, lambda run, study: run if study.length == 1 or run.seed == 3000 else None)
    )
    ((at,),) = [tuning.lengths for tuning in comparison.tuning]
    assert at.answer == "open"
    assert comparison.best == "vicreg"
    assert comparison.conclusion[0].startswith("vicreg leads")
    assert comparison.conclusion[1].startswith("Whether it holds at 3 times the steps is open: One")


def test_a_metric_that_is_better_low(runs: Runs, record: StudyFile) -> None:
    """The same scores as errors: the same selection, and everything mirrored."""
    error = "eval/probe_rmse"
    mirrored = changed(
        runs,
        lambda run, _: replace(run, metrics={**run.metrics, error: 1 - run.metrics[METRIC]}),
        studies={record.id: replace(record, metric=error)},
    )
    (of_errors,) = compare(mirrored, metric=error).tuning
    (of_scores,) = compare(runs).tuning
    assert of_errors.metric.better == "lower"
    for loss, mirror in zip(of_scores.losses, of_errors.losses, strict=True):
        assert (loss.loss, loss.selected) == (mirror.loss, mirror.selected)
        assert mirror.gain.mean == pytest.approx(-loss.gain.mean)
        assert mirror.near_best is None  # no smallest effect of interest is stated for it
        for best, other in zip(loss.best_of, mirror.best_of, strict=True):
            assert other.value == pytest.approx(1 - best.value)
            assert other.high == pytest.approx(1 - best.low, nan_ok=True)
            assert other.low == pytest.approx(1 - best.high, nan_ok=True)


def test_two_studies_stand_beside_each_other(runs: Runs, record: StudyFile) -> None:
    second = replace(record, id="b", study_seed=1)

    def move(run: Run, study: Study) -> Run:
        path = run.path.parent.parent / "b" / run.path.name
        return replace(run, study=replace(study, id="b"), path=path)

    copied = changed(runs, move)
    both = replace(runs, runs=(*runs.runs, *copied.runs), studies={record.id: record, "b": second})
    comparison = compare(both)
    assert [tuning.study.study_seed for tuning in comparison.tuning] == [0, 1]
    assert len(comparison.rows) == 6
    for row in comparison.rows:
        assert len({run.study.id for run in row.runs if run.study}) == 1
    one, two = comparison.tuning
    assert {loss.loss: loss.tuned.mean for loss in one.losses} == {
        loss.loss: loss.tuned.mean for loss in two.losses
    }


def test_a_sweep_without_a_study_has_no_tuning(comparison: Comparison) -> None:
    plain = [replace(run, study=None) for row in comparison.rows for run in row.runs]
    assert compare(Runs(runs=tuple(plain), left_out=(), roots=())).tuning == ()
