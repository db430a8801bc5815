"""Which directories are runs, and what becomes of their parts."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from jepa_compare.comparison import NoRunsError, Runs, compare, load_runs
from jepa_compare.comparison.loading.history import read_episodes, read_spectrum
from jepa_compare.metrics import Metric
from jepa_compare.runs import layout
from jepa_compare.runs.records import State
from tests.support.signing import resign
from tests.support.synthetic import DEFAULT_LOSSES, NOW, Sweep, write_run

VICREG = DEFAULT_LOSSES["vicreg"]


def change(path: Path, **values: Any) -> None:
    """Set top-level keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def reasons(runs: Runs) -> list[str]:
    return [f"{item.what} {item.path.name}: {item.reason}" for item in runs.left_out]


def test_runs_are_found_by_their_files_at_any_depth(tmp_path: Path) -> None:
    write_run(tmp_path / "a" / "b" / "c", loss=VICREG, seed=0, name="anything at all")
    write_run(tmp_path, loss=VICREG, seed=1)
    (tmp_path / "vicreg_s2_00000000").mkdir()  # a name makes no run
    (tmp_path / "notes.json").write_text("{}")
    runs = load_runs(tmp_path)
    assert [run.seed for run in runs] == [0, 1]
    assert not runs.left_out
    alone = load_runs(runs.runs[0].path)
    assert [run.path for run in alone] == [runs.runs[0].path]


def test_several_roots_count_a_run_once(tmp_path: Path) -> None:
    Sweep(path=tmp_path / "x", seeds=range(1)).write()
    (tmp_path / "x" / "elsewhere").symlink_to("/")
    once, twice = load_runs(tmp_path), load_runs(tmp_path, tmp_path / "x", tmp_path)
    assert [run.path for run in once] == [run.path for run in twice]
    assert reasons(once) == reasons(twice) == ["link elsewhere: links are not followed"]


def test_what_is_not_there_is_an_error_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(NoRunsError, match="is not a directory"):
        load_runs(tmp_path / "missing")
    assert len(load_runs(tmp_path)) == 0


def test_a_complete_run_says_everything(tmp_path: Path) -> None:
    path = write_run(tmp_path, loss=VICREG, seed=3, overrides={"training.lr": 0.01})
    (run,) = load_runs(path)
    assert (run.name, run.loss, run.seed, run.outcome) == ("vicreg", "vicreg", 3, "healthy")
    assert run.config["training.lr"] == 0.01
    assert run.choices["data"] == "two_rooms"
    assert "training.lr=0.01" in run.overrides
    assert run.tasks["detour"].success.mean() == run.metrics["eval/success_detour"]
    assert run.floors["oracle"].metrics["eval/success_door"] == pytest.approx(0.95)
    assert run.provenance["versions.torch"] == "2.13.0"
    assert run.cost["parameters.encoder"] == 150_000
    assert run.reason == ""


@pytest.mark.parametrize("state", ["failed", "interrupted", "running", "queued"])
def test_without_a_summary_a_run_has_no_numbers(tmp_path: Path, state: State) -> None:
    write_run(tmp_path, loss=VICREG, seed=0, state=state)
    (run,) = load_runs(tmp_path, now=NOW + 1)
    assert (run.outcome, run.status, dict(run.metrics)) == (state, None, {})
    assert ("out of patience" in run.reason) == (state == "failed")


def test_silence_is_an_interruption(tmp_path: Path) -> None:
    write_run(tmp_path, loss=VICREG, seed=0, state="running")
    (run,) = load_runs(tmp_path, now=NOW + 7200)
    assert (run.outcome, run.reason) == ("interrupted", "no sign of life for 2.0 h")


def test_a_finished_run_that_says_it_failed_has_no_numbers(tmp_path: Path) -> None:
    path = write_run(tmp_path, loss=VICREG, seed=0)
    failure = {"type": "OSError", "message": "disk", "traceback": "", "resumable": True}
    change(path / layout.STATUS, state="failed", exception=failure)
    (run,) = load_runs(tmp_path)
    assert (run.outcome, run.reason, run.status) == ("failed", "OSError: disk", None)


def test_a_summary_outlives_the_last_status(tmp_path: Path) -> None:
    path = write_run(tmp_path, loss=VICREG, seed=0)
    change(path / layout.STATUS, state="running")
    (run,) = load_runs(tmp_path, now=NOW + 10**6)
    assert run.outcome == "healthy"


def test_a_lost_summary_is_a_failure(tmp_path: Path) -> None:
    path = write_run(tmp_path, loss=VICREG, seed=0)
    (path / layout.SUMMARY).unlink()
    (run,) = load_runs(tmp_path)
    assert (run.outcome, run.reason) == ("failed", "no readable summary.json")


def test_of_the_same_run_the_one_with_a_result_counts(tmp_path: Path) -> None:
    finished = write_run(tmp_path / "a", loss=VICREG, seed=0)
    other = write_run(tmp_path / "b", loss=VICREG, seed=0, state="failed")
    change(other / layout.STATUS, ended=NOW * 2)
    runs = load_runs(tmp_path)
    assert [run.path for run in runs] == [finished]
    assert reasons(runs)[0].endswith(f"seed 0) as {finished}")
    later = write_run(tmp_path / "c", loss=VICREG, seed=0, metrics={"eval/probe_rmse": 0.1})
    change(later / layout.STATUS, ended=NOW + 1)
    runs = load_runs(tmp_path)  # later, but without its tasks' outcomes
    assert [run.path for run in runs] == [finished]
    assert any("other numbers" in reason for reason in reasons(runs))


def test_a_damaged_status_is_missing_and_noted(tmp_path: Path) -> None:
    path = write_run(tmp_path, loss=VICREG, seed=0)
    (path / layout.STATUS).write_text('{"state": "comple')
    runs = load_runs(tmp_path)
    assert runs.runs[0].outcome == "healthy" and runs.runs[0].metrics
    assert reasons(runs) == [
        "file status.json: status.json is truncated or not JSON (character 10)"
    ]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"versions": "none"}, "summary.json: versions is not an object"),
        (
            {"metrics": {"eval/probe_rmse": "big", "eval/spread": 1}},
            "summary.json: metrics.eval/probe_rmse is 'big', not a number",
        ),
        (
            {"evaluation": "../x"},
            "summary.json: evaluation: '../x' cannot be the name of a file",
        ),
        ({"schema_version": 4}, "summary.json has schema version 4, this package reads 3"),
    ],
)
def test_a_summary_is_taken_whole_or_not_at_all(
    tmp_path: Path, values: dict[str, Any], reason: str
) -> None:
    path = write_run(tmp_path, loss=VICREG, seed=0)
    change(path / layout.SUMMARY, **values)
    resign(path)
    runs = load_runs(tmp_path)
    (run,) = runs
    assert (run.outcome, run.status, dict(run.metrics)) == ("failed", None, {})
    assert run.reason == "no readable summary.json"
    assert reasons(runs) == [f"file summary.json: {reason}"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("success_door", 1.5),
        ("probe_rmse", -0.1),
        ("probe_r2", 1.01),
        ("rankme", 0.9),
        ("rankme", 128.1),
    ],
)
def test_a_metric_out_of_its_range_leaves_the_run_out(
    tmp_path: Path, key: str, value: float
) -> None:
    """However well its files agree."""
    path = write_run(tmp_path, loss=VICREG, seed=0, metrics={f"eval/{key}": value})
    runs = load_runs(tmp_path)
    assert not len(runs)
    (reason,) = reasons(runs)
    assert reason.startswith(f"run {path.name}") and f"eval/{key} cannot be {value}" in reason


def test_a_users_metric_has_the_range_of_its_description(tmp_path: Path) -> None:
    path = tmp_path
    for seed, value in enumerate((2.0, 2.5)):
        path = write_run(tmp_path, loss=VICREG, seed=seed, metrics={"eval/mine": value})
        fields = Metric(key="eval/mine", label="mine", high=2.0, about="").description()
        change(path / layout.EVALUATIONS / "0a1b2c3d.json", descriptions={"eval/mine": fields})
        resign(path)
    runs = load_runs(tmp_path)
    assert [run.seed for run in runs] == [0]
    assert reasons(runs) == [f"run {path.name}: eval/mine cannot be 2.5"]


def test_a_damaged_config_leaves_the_run_out(tmp_path: Path) -> None:
    path = write_run(tmp_path, loss=VICREG, seed=0)
    change(path / layout.CONFIG, seed="0")
    runs = load_runs(tmp_path)
    assert not runs.runs
    assert reasons(runs) == [f"run {path.name}: config.json: seed is '0', not a whole number"]


def test_a_damaged_evaluation_takes_the_tasks_alone(tmp_path: Path) -> None:
    path = write_run(tmp_path, loss=VICREG, seed=0)
    change(path / layout.EVALUATIONS / "0a1b2c3d.json", spectrum=["high"])
    resign(path)
    runs = load_runs(tmp_path)
    (run,) = runs
    assert run.outcome == "healthy" and run.metrics and not run.tasks
    assert reasons(runs) == [
        "file 0a1b2c3d.json: evaluations/0a1b2c3d.json: spectrum.0 is 'high', not a number"
    ]
    assert read_spectrum(run).shape == (0,) and read_episodes(run) == ()


@pytest.mark.parametrize("value", [1e101, -1e300, 10**120])
def test_a_number_beyond_measurement_is_refused(tmp_path: Path, value: float) -> None:
    write_run(tmp_path, loss=VICREG, seed=0, metrics={"eval/probe_rmse": value})
    runs = load_runs(tmp_path)
    assert not runs.runs[0].metrics
    assert reasons(runs)[0].startswith("file summary.json: summary.json: ")


def test_tasks_that_contradict_the_summary_are_refused(tmp_path: Path) -> None:
    path = write_run(tmp_path, loss=VICREG, seed=0)
    evaluation = path / layout.EVALUATIONS / "0a1b2c3d.json"
    content = json.loads(evaluation.read_text())
    content["tasks"]["door"]["success"] = [False] * 100
    evaluation.write_text(json.dumps(content))
    resign(path)
    runs = load_runs(tmp_path)
    assert not len(runs)
    assert "its rows give 0.0" in reasons(runs)[0]


def test_two_descriptions_of_one_metric_are_not_averaged(tmp_path: Path) -> None:
    mine = Metric(
        key="eval/mine", label="mine", unit="m", better="lower", downstream=True, about=""
    )
    for seed in range(3):
        path = write_run(tmp_path, loss=VICREG, seed=seed, metrics={"eval/mine": 1.0 + seed})
        (file,) = (path / layout.EVALUATIONS).iterdir()
        fields = mine.description() | ({"unit": "px"} if seed == 0 else {})
        change(file, descriptions={"eval/mine": fields})
        resign(path)
    runs = load_runs(tmp_path)
    assert [run.seed for run in runs] == [1, 2]
    assert [reason.partition(": ")[2] for reason in reasons(runs)] == [
        "eval/mine: described with unit='px' here and 'm' in other runs"
    ]
    (metric,) = (m for m in compare(runs).metrics if m.key == "eval/mine")
    assert metric == mine


def test_an_evaluation_that_contradicts_the_code_is_refused(tmp_path: Path) -> None:
    path = write_run(tmp_path, loss=VICREG, seed=0)
    (file,) = (path / layout.EVALUATIONS).iterdir()
    described = json.loads(file.read_text())["descriptions"]
    described["eval/spread"]["label"] = "chaos"
    change(file, descriptions=described)
    resign(path)
    (run,) = runs = load_runs(tmp_path)
    assert reasons(runs) == [
        f"file {file.name}: {layout.EVALUATIONS}/{file.name}: eval/spread is built in, described"
        " with label='chaos' here and 'spread' in the code"
    ]
    assert run.metrics and not run.tasks


def test_a_floor_under_another_policys_name_is_refused(tmp_path: Path) -> None:
    """Also when a sibling has read the file before, under its right name."""
    Sweep(path=tmp_path, seeds=range(1)).write()
    evil = write_run(tmp_path, loss=VICREG, seed=1)
    change(evil / layout.SUMMARY, floors={"random": "door_script-1234abcd"})
    resign(evil)
    runs = load_runs(tmp_path)
    (run,) = [run for run in runs if run.path == evil]
    assert "random" not in run.floors
    assert any("is not a floor of policy random" in reason for reason in reasons(runs))


def test_lines_of_metrics_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    path = write_run(tmp_path, loss=VICREG, seed=0, rows=20, state="failed")
    with (path / layout.METRICS).open("ab") as file:
        file.write(
            b'\n{"step": 1, "train/loss": 0.1}}\n[1]\n{"step": -1}\n\xff\xfe\n'
            b'{"step": 3, "train/loss": "low"}\n{"step": 4, "train/loss": "nan"}\n{"step": 9, "tra'
        )
    runs = load_runs(tmp_path)
    assert [(item.what, item.count) for item in runs.left_out] == [("lines", 6)]


def test_metrics_that_are_a_link_are_noted(tmp_path: Path) -> None:
    path = write_run(tmp_path, loss=VICREG, seed=0, state="failed")
    (path / layout.METRICS).unlink()
    (path / layout.METRICS).symlink_to("/etc/hostname")
    runs = load_runs(tmp_path)
    assert reasons(runs) == ["file metrics.jsonl: metrics.jsonl is a link, which is not followed"]


def test_a_folder_that_cannot_be_listed_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permissions do not stop root, who may run these tests: the refusal is played."""
    Sweep(path=tmp_path / "good", seeds=range(1)).write()
    (tmp_path / "locked").mkdir()
    listing = os.scandir

    def refuse(path: str | Path) -> Any:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr("os.scandir", refuse)
    runs = load_runs(tmp_path)
    assert len(runs) == 5
    assert reasons(runs) == ["folder locked: cannot be listed: Permission denied"]
