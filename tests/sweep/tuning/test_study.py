"""Studies: what is planned, in which order, what may change, and what is refused."""

from collections import Counter
from pathlib import Path

import pytest

from jepa_compare.checks import ConfigError
from jepa_compare.comparison.compare import compare
from jepa_compare.comparison.loading.load import load_runs
from jepa_compare.comparison.tuning.selection import select, split_studies
from jepa_compare.runs import layout
from jepa_compare.runs.reader import read_record
from jepa_compare.runs.study_records import StudyFile
from jepa_compare.sweep.directory import announced
from jepa_compare.sweep.job import Job
from jepa_compare.system import files
from tests.support.package import make_package
from tests.support.studies import carry_out, count, study, uses

TWO = "aux_loss=vicreg,none"


def score(job: Job) -> float | None:
    """Best at a learning rate of 2e-3, the worst trials diverge; seeds differ a little."""
    lr = job.config.training.lr
    if lr > 4e-3:
        return None
    loss = 0.1 * (job.config.aux_loss["name"] == "none")
    noise = (job.config.seed * 7919 % 13) / 100
    return max(0.0, 0.9 - loss - abs(lr - 2e-3) * 100 - noise)


def test_every_loss_gets_the_same_trials_on_the_same_seeds(tmp_path: Path) -> None:
    command = study(tmp_path, TWO)
    assert command.study is not None
    by_loss: dict[str, list[int]] = {"vicreg": [], "none": []}
    for job in command.jobs:
        by_loss[job.identity.name].append(job.identity.seed)
        assert job.config.evaluation.seed == 1000
    assert by_loss["vicreg"] == by_loss["none"] == [1000, 1001, 1002]
    spaces = {name: set(loss.space) for name, loss in command.study.study.losses.items()}
    assert spaces["none"] == {"training.lr"}
    assert spaces["vicreg"] == {"aux_loss.weight", "aux_loss.cov_coeff", "training.lr"}
    lrs = [loss.space["training.lr"] for loss in command.study.study.losses.values()]
    assert lrs[0] == lrs[1] and lrs[0].shared


def test_a_study_from_its_first_run_to_its_table(tmp_path: Path) -> None:
    command = study(tmp_path, TWO)
    carry_out(command, score)
    used = uses(tmp_path)
    sizes = Counter((use["stage"], use["trial"] is None, use["length"]) for use in used.values())
    assert sizes == {
        ("trials", False, 1): 6,
        ("confirm", False, 1): 4,
        ("report", False, 1): 4,
        ("report", False, 3): 2,
        ("report", True, 1): 2,
    }
    of_stage: dict[str, set[int]] = {}
    for job in command.jobs:
        assert job.identity.study is not None
        of_stage.setdefault(job.identity.study.stage, set()).add(job.identity.seed)
        of_stage.setdefault("tasks", set()).add(job.config.evaluation.seed)
        if job.identity.study.length == 3:
            assert job.config.training.steps == 60
    assert of_stage == {
        "trials": {1000, 1001, 1002},
        "confirm": {2000},
        "report": {3000, 3001},
        "tasks": {1000, 2000, 3000},
    }
    comparison = compare(load_runs(tmp_path))
    assert [row.label for row in comparison.rows] == ["vicreg", "none"]
    assert [row.seeds for row in comparison.rows] == [(3000, 3001)] * 2
    assert comparison.axes == ("aux_loss",) and not comparison.unswept
    _, (behind,) = split_studies(load_runs(tmp_path))
    sizes = [len(part) for part in (behind.trials, behind.confirm, behind.tuned, behind.shipped)]
    assert sizes == [6, 4, 4, 2] and len(behind.longer[3]) == 2
    assert any("tuned with the same budget" in warning for warning in comparison.warnings)


def test_the_selection_follows_from_the_runs_and_drops_none(tmp_path: Path) -> None:
    command = study(tmp_path, TWO)
    carry_out(command, score)
    assert command.study is not None
    runs = load_runs(tmp_path)
    plan = command.study.study
    selections = select(plan, runs)
    for name, loss in plan.losses.items():
        lrs = loss.values["training.lr"]
        jobs = [job for job in command.jobs if job.identity.name == name]
        scores = [score(job) or 0.0 for job in jobs if job.config.seed < 1900]
        ranked = sorted(range(3), key=lambda trial: (-scores[trial], trial))
        assert list(selections[name].ranked) == ranked
        assert set(selections[name].confirmed) == set(ranked[:2])
        best = min(ranked[:2], key=lambda trial: abs(lrs[trial] - 2e-3))
        assert selections[name].selected == best
    assert any(run.status == "diverged" for run in runs)


@pytest.mark.parametrize("cuts", [(2, 5, 1, 4), (6, 4)])
def test_wherever_it_is_cut_the_same_command_ends_the_same(
    tmp_path: Path, cuts: tuple[int, ...]
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    carry_out(study(whole, TWO), score)
    for after in cuts:
        carry_out(study(cut, TWO), score, cut_after=after)
        assert len(uses(cut)) <= len(uses(whole))
    again: list[str] = []

    def noting(job: Job) -> float | None:
        again.append(job.directory.name)
        return score(job)

    carry_out(study(cut, TWO), noting)
    assert len(again) == len(uses(whole)) - sum(cuts)  # nothing is run twice, diverged ones too
    assert uses(cut) == uses(whole)
    stored = [read_record(StudyFile, sweep, layout.STUDY) for sweep in (whole, cut)]
    assert stored[0] == stored[1] and stored[0] is not None
    assert select(stored[0], load_runs(whole)) == select(stored[0], load_runs(cut))
    one, other = (compare(load_runs(sweep)) for sweep in (whole, cut))
    assert one.conclusion == other.conclusion and one.estimates == other.estimates


def test_more_trials_go_on_from_those_that_are_there(tmp_path: Path) -> None:
    carry_out(study(tmp_path, TWO), score)
    before = uses(tmp_path)
    ran: list[str] = []

    def better_later(job: Job) -> float | None:
        assert job.identity.study is not None
        ran.append(job.directory.name)
        return 0.95 if (job.identity.study.trial or 0) >= 3 else score(job)

    carry_out(study(tmp_path, TWO, "tuning.trials=6"), better_later)
    after = uses(tmp_path)
    assert not set(ran) & set(before) and before.items() <= after.items()
    assert count(after.values(), stage="trials") == 12
    comparison = compare(load_runs(tmp_path))
    _, (behind,) = split_studies(load_runs(tmp_path))
    assert all((s.selected or 0) >= 3 for s in behind.selections.values())
    superseded = [item for item in comparison.left_out if "superseded" in item.reason]
    assert len(superseded) == 4 + 4 + 2  # confirming, report, longer
    assert {run.study.trial for row in comparison.rows for run in row.runs if run.study} == {
        selection.selected for selection in behind.selections.values()
    }
    with pytest.raises(ConfigError, match=r"trials: 6 -> 3, which may only be raised"):
        study(tmp_path, TWO)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("tuning.study_seed=1", "study_seed: 0 -> 1"),
        ("tuning.confirm_top=1", "confirm_top: 2 -> 1"),
        ("training.weight_decay=0.5", "losses.none.config.training.weight_decay: 0.0001 -> 0.5"),
        ("evaluation.frames=18", "losses.none.config.evaluation.frames: 17 -> 18"),
        ("tuning.search.training.lr=5", "losses.none.space.training.lr.low: 0.0001 -> 0.0002"),
        ("aux_loss=vicreg", "losses none, vicreg -> vicreg"),
    ],
)
def test_another_study_in_the_same_sweep_is_refused_by_name(
    tmp_path: Path, change: str, message: str
) -> None:
    with announced(study(tmp_path, TWO)):
        pass
    losses = () if change.startswith("aux_loss=") else (TWO,)
    with pytest.raises(ConfigError) as caught:
        study(tmp_path, *losses, change)
    assert message in str(caught.value) and "choose another sweep=" in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=3", "seed= cannot be set with hydra/sweeper=tune"),
        ("seed=0,1", "seed= cannot be set with hydra/sweeper=tune"),
        ("evaluation.seed=3", "evaluation.seed= cannot be set with hydra/sweeper=tune"),
        ("evaluation.task_seed=3", "evaluation.task_seed=3: must be null"),
        ("training.lr=1e-3,1e-2", "with hydra/sweeper=tune aux_loss alone is swept"),
        ("aux_loss=barlow,barlow_twins", "aux_loss=barlow,barlow_twins: both are barlow_twins"),
        ("tuning.confirm_top=5", "tuning.confirm_top=5: must be at most tuning.trials=3"),
        ("tuning.report_steps=[3]", "with 1 among them"),
        ("tuning.trails=3", "tuning.trails: unknown key (did you mean 'trials'?)"),
        (
            "tuning.first_seed.confirm=1002",
            "tuning.first_seed.confirm=1002: must be such that its seeds 1002 to 1002 meet none of"
            " trials, 1000 to 1002",
        ),
        ("tuning.first_seed.report=1999", "its seeds 1999 to 2000 meet none of confirm"),
        ("tuning.sampler=random", "tuning.sampler=random: must be one of sobol"),
    ],
)
def test_what_a_study_cannot_be_is_one_line(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        study(tmp_path, override)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_run_of_the_sweep_that_is_no_part_of_the_study_is_refused(tmp_path: Path) -> None:
    command = study(tmp_path)
    with announced(command):
        pass
    config = command.jobs[0].directory / layout.CONFIG
    files.write_json(config, files.read_json(config) | {"study": None})
    with pytest.raises(ConfigError, match="no part of this study"), announced(study(tmp_path)):
        pass


def test_a_preset_sweeps_losses_and_its_seeds_are_the_studys(tmp_path: Path) -> None:
    command = study(tmp_path, "experiment=main_table", "tuning.trials=2")
    assert len(command.jobs) == 10 and {job.identity.seed for job in command.jobs} == {1000, 1001}


def test_another_study_seed_shares_nothing(tmp_path: Path) -> None:
    one, other = (study(tmp_path, f"tuning.study_seed={seed}") for seed in (0, 1))
    assert one.study is not None and other.study is not None
    assert not set(one.study.study.first_seed.values()) & set(other.study.study.first_seed.values())
    values = [plan.study.losses["vicreg"].values for plan in (one.study, other.study)]
    assert not set(values[0]["aux_loss.weight"]) & set(values[1]["aux_loss.weight"])


def test_a_loss_from_elsewhere_joins_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_package(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    theirs = ("hydra.searchpath=[pkg://my_lab.conf]", "aux_loss=none,l2")
    command = study(tmp_path / "s", *theirs)
    assert command.study is not None
    space = command.study.study.losses["l2"].space
    assert set(space) == {"aux_loss.weight", "training.lr"}
    assert (space["aux_loss.weight"].low, space["aux_loss.weight"].high) == (0.01, 1.0)
    carry_out(command, score)
    assert {row.label for row in compare(load_runs(tmp_path / "s")).rows} == {"none", "l2"}


def test_nothing_is_compared_before_something_is_selected(tmp_path: Path) -> None:
    carry_out(study(tmp_path), score, cut_after=2)
    with pytest.raises(ValueError, match="2 of 3 trials and 0 confirming runs have ended"):
        compare(load_runs(tmp_path))
