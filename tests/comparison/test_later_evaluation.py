"""Comparing by a later evaluation: what is taken, what is left out, and what is said otherwise."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from jepa_compare.cli import main
from jepa_compare.comparison import Runs, compare, load_runs
from jepa_compare.report import write
from jepa_compare.report.figure_data import read_figure_data
from jepa_compare.runs import layout
from jepa_compare.runs.records import State
from tests.support.signing import resign
from tests.support.synthetic import DEFAULT_LOSSES, Sweep, write_run

LATER = "feed1234"
LOSSES = {name: DEFAULT_LOSSES[name] for name in ("vicreg", "dino")}


def evaluate_again(run: Path) -> Path:
    """As `jepa-compare evaluate`: another seed and planner, every third task solved."""
    folder = run / layout.EVALUATIONS
    content = json.loads((folder / "0a1b2c3d.json").read_text())
    success = [task % 3 == 0 for task in range(30)]
    content |= {
        "metrics": {"eval/success_detour": sum(success) / 30, "eval/probe_rmse": 7.0},
        "untrained": {"eval/success_detour": 0.25, "eval/probe_rmse": 9.0},
        "tasks": {"detour": {"success": success}},
        "settings": {"seed": 5, "interval": 99, "planning": {"planner": {"kind": "mppi"}}},
        "floors": {"random": "random-later"},
    }
    (folder / f"{LATER}.json").write_text(json.dumps(content))
    floors = run.parent / layout.FLOORS
    floor = json.loads((floors / "random-1234abcd.json").read_text())
    floor["metrics"] = {"eval/success_detour": 0.125}
    (floors / "random-later.json").write_text(json.dumps(floor | {"tasks": {}}))
    resign(run)
    return folder / f"{LATER}.json"


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two losses, three seeds; all but one seed of dino are evaluated again."""
    path = Sweep(
        path=tmp_path / "sweep", losses=LOSSES, seeds=range(3), figures=True, changes=CHANGES
    ).write()
    for run in sorted(path.glob("*_s*_*")):
        if not run.name.startswith("dino_s2"):
            evaluate_again(run)
    return path


CHANGES = {"evaluation.interval": 10}


def reasons(runs: Runs) -> dict[str, str]:
    return {item.path.name.rpartition("_")[0]: item.reason for item in runs.left_out}


def test_metrics_tasks_floors_and_settings_are_those_of_the_later_evaluation(sweep: Path) -> None:
    runs = load_runs(sweep, evaluation=LATER)
    assert [(run.name, run.seed) for run in runs] == [
        ("dino", 0),
        ("dino", 1),
        ("vicreg", 0),
        ("vicreg", 1),
        ("vicreg", 2),
    ]
    assert reasons(runs) == {"dino_s2": f"no evaluation {LATER}; it has 0a1b2c3d"}
    for run in runs:
        assert run.metrics == {"eval/success_detour": pytest.approx(1 / 3), "eval/probe_rmse": 7.0}
        assert run.untrained["eval/probe_rmse"] == 9.0
        assert list(run.tasks) == ["detour"] and run.tasks["detour"].success.sum() == 10
        floors = {
            policy: floor.metrics["eval/success_detour"] for policy, floor in run.floors.items()
        }
        assert floors == {"random": 0.125}
        assert (run.config["evaluation.seed"], run.config["evaluation.interval"]) == (5, 10)
        assert run.config["evaluation.planning.planner.kind"] == "mppi"
        assert run.evaluation == LATER and run.other_evaluations == ("0a1b2c3d",)
        assert run.outcome == "healthy"
    comparison = compare(runs)
    assert comparison.estimate(comparison.rows[0], "eval/probe_rmse").mean == 7.0
    figure_data = read_figure_data(comparison)
    assert not any(figure_data.pictures.values())
    assert any("they show the evaluation at the end" in note for note in figure_data.picture_notes)


def test_the_evaluation_of_the_end_can_be_named_as_well(sweep: Path) -> None:
    named, plain = load_runs(sweep, evaluation="0a1b2c3d"), load_runs(sweep)
    assert [run.metrics["eval/probe_rmse"] for run in named] == [
        run.metrics["eval/probe_rmse"] for run in plain
    ]
    assert any(read_figure_data(compare(named)).pictures.values())


def test_evaluations_that_are_not_shown_are_named_once(sweep: Path) -> None:
    warnings = compare(load_runs(sweep)).warnings
    expected = "Runs hold evaluations that are not shown here; --evaluation=HASH shows one:"
    assert [w for w in warnings if "not shown" in w] == [f"{expected} {LATER} (5)."]
    for path in sweep.glob(f"*/{layout.EVALUATIONS}/{LATER}.json"):
        path.unlink()
    assert not any("not shown" in w for w in compare(load_runs(sweep)).warnings)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100])


def link_out(file: Path) -> None:
    outside = file.parents[3] / "outside.json"
    shutil.move(file, outside)
    file.symlink_to(outside)


def link_folder_out(file: Path) -> None:
    outside = file.parents[3] / "outside"
    shutil.move(file.parent, outside)
    file.parent.symlink_to(outside)


def contradict(file: Path) -> None:
    content = json.loads(file.read_text())
    content["metrics"]["eval/success_detour"] = 0.9
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (truncate, f"evaluations/{LATER}.json is truncated or not JSON"),
        (link_out, f"{LATER}.json is a link, which is not followed"),
        (link_folder_out, f"no evaluation {LATER}; it has none"),
        (contradict, f"evaluations/{LATER}.json is not the one that summary.json speaks of"),
    ],
)
def test_a_later_evaluation_is_not_trusted(
    sweep: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    (run,) = sweep.glob("dino_s0_*")
    spoil(run / layout.EVALUATIONS / f"{LATER}.json")
    runs = load_runs(sweep, evaluation=LATER)
    assert [run.seed for run in runs if run.name == "dino"] == [1]
    assert reasons(runs)["dino_s0"].startswith(reason)


def test_a_run_without_a_result_has_no_later_one(sweep: Path) -> None:
    states: tuple[tuple[int, State], ...] = ((3, "running"), (4, "failed"))
    for seed, state in states:
        write_run(sweep, loss=LOSSES["dino"], seed=seed, state=state, changes=CHANGES)
    diverged = write_run(sweep, loss=LOSSES["dino"], seed=5, status="diverged", changes=CHANGES)
    evaluate_again(diverged)
    left_out = reasons(load_runs(sweep, evaluation=LATER))
    for seed in (3, 4, 5):
        expected = f"no evaluation {LATER}: the run has no result of its own"
        assert left_out[f"dino_s{seed}"] == expected


def test_runs_that_other_evaluations_may_have_stopped_stay_apart(tmp_path: Path) -> None:
    for seed in (0, 1):
        for drawn in (0, 1):
            changes = {"training.on_collapse": "stop", "evaluation.seed": drawn}
            evaluate_again(
                write_run(
                    tmp_path, loss=LOSSES["dino"], seed=seed, changes=changes, name=f"{seed}{drawn}"
                )
            )
    comparison = compare(load_runs(tmp_path, evaluation=LATER))
    assert [unswept.key for unswept in comparison.unswept] == ["evaluation.seed"]
    assert [row.seeds for row in comparison.rows] == [(0, 1), (0, 1)]


def test_the_command_takes_the_name_of_an_evaluation(
    sweep: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = []
    monkeypatch.setattr(write, "_draw", lambda *arguments: commands.append(arguments[-1]))
    assert main(["report", str(sweep), "--evaluation", LATER, "--metric", "probe_rmse"]) == 0
    assert "5 runs, 2 rows" in capsys.readouterr().out
    assert f"--evaluation={LATER}" in commands[0]
    assert main(["report", str(sweep), "--evaluation", "0badc0de"]) == 1
    shown = capsys.readouterr().err
    assert "no evaluation 0badc0de; it has 0a1b2c3d, feed1234 (6 such)" in shown
    assert main(["report", str(sweep), "--evaluation", "../../x"]) == 1
    allowed = "must be the name of a file in evaluations/, without .json"
    assert capsys.readouterr().err == f"jepa-compare: evaluation=../../x: {allowed}\n"
