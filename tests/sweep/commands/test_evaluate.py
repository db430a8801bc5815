"""Evaluating a finished run again, and everything that can be wrong with the request."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch
from safetensors.torch import load_file, save_file

from jepa_compare import build, cli
from jepa_compare.checks import ConfigError
from jepa_compare.evaluation.evaluator import Evaluation, Evaluator
from jepa_compare.evaluation.world_model import WorldModel
from jepa_compare.export import load_config
from jepa_compare.runs import layout
from jepa_compare.runs.digests import signed
from jepa_compare.sweep.commands.evaluate import evaluate_run, finished_runs, main, settings_with
from jepa_compare.system import files
from tests.support.runs import command, job, train


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("evaluate") / "run"
    train(directory, "training.steps=2")
    return directory


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that the command dies with."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_another_planner_and_another_seed_are_kept_beside_the_first(copy: Path) -> None:
    (first,) = (copy / layout.EVALUATIONS).iterdir()
    content, before = first.read_bytes(), files.read_json(copy / layout.SUMMARY)
    config = load_config(copy)
    planner = ["evaluation=random_wall", "evaluation.planning.planner.iterations=1"]
    small = ["evaluation.trajectories=8", "evaluation.collapse_trajectories=4"]
    short = ["evaluation.planning.tasks=2", "evaluation.planning.steps=2"]
    for overrides in ([*planner, *small, *short], ["evaluation.seed=3"]):
        settings = settings_with(config, overrides)
        path = evaluate_run(copy, settings, "cpu")
        stored = files.read_json(path)
        assert stored["settings"]["seed"] == settings.seed
        assert stored["settings"]["planning"]["planner"]["kind"] == settings.planning.planner.kind
        assert set(stored["floors"]) >= {"true_dynamics_geodesic", "untrained"}
    assert len(list((copy / layout.EVALUATIONS).iterdir())) == 3
    assert first.read_bytes() == content
    after = files.read_json(copy / layout.SUMMARY)
    for path in (copy / layout.EVALUATIONS).iterdir():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert after["digests"][f"{layout.EVALUATIONS}/{path.name}"] == digest
        assert files.read_json(path)["run"] == after["run"]
    assert signed(after, after["digests"]) == after, "it vouches for itself again"
    added = after["digests"].keys() - before["digests"].keys()
    assert len([name for name in added if name.startswith(layout.EVALUATIONS)]) == 2
    assert {**after, "digests": None} == {**before, "digests": None}


def test_a_later_evaluation_computes_with_the_threads_of_the_run(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    real = Evaluator.evaluate

    def spy(self: Evaluator, model: WorldModel) -> Evaluation:
        seen.append(torch.get_num_threads())
        return real(self, model)

    monkeypatch.setattr(Evaluator, "evaluate", spy)
    config = load_config(copy)
    before = torch.get_num_threads()
    torch.set_num_threads(config.training.num_threads + 1)
    try:
        evaluate_run(copy, settings_with(config, ["evaluation.seed=5"]), "cpu")
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {config.training.num_threads}


def test_the_command_evaluates_and_has_the_options_of_the_module(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["evaluate", "--device", "cpu", str(copy), "evaluation.seed=6"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"[1/1] {copy / layout.EVALUATIONS}/")
    path = Path(shown.split()[1].removesuffix(":"))
    assert files.read_json(path)["settings"]["seed"] == 6
    with pytest.raises(SystemExit, match="0"):
        cli.main(["evaluate", "--help"])
    assert capsys.readouterr().out.startswith("usage: jepa-compare evaluate [-h] [--device DEVICE]")
    with pytest.raises(SystemExit, match="2"):
        cli.main(["evaluate", str(copy / "nothing")])
    assert "holds no finished run" in capsys.readouterr().err


def test_the_commands_help_imports_neither_torch_nor_hydra() -> None:
    code = (
        "import sys\nfrom jepa_compare.cli import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit:\n    print({'torch', 'hydra'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "set()"
    assert " evaluate " in result.stdout


def test_an_evaluation_that_is_there_is_kept(copy: Path) -> None:
    (first,) = (copy / layout.EVALUATIONS).iterdir()
    written = first.stat().st_mtime_ns
    assert evaluate_run(copy, load_config(copy).evaluation, "cpu") == first
    assert first.stat().st_mtime_ns == written


def test_an_evaluation_that_the_summary_does_not_vouch_for_is_made_anew(copy: Path) -> None:
    (first,) = (copy / layout.EVALUATIONS).iterdir()
    content = files.read_json(first)
    edited = content["metrics"] | {"eval/probe_rmse": 0.001}
    files.write_json(first, content | {"metrics": edited})
    evaluate_run(copy, load_config(copy).evaluation, "cpu")
    assert files.read_json(first)["metrics"] == content["metrics"]


def test_a_preset_takes_from_the_data_what_the_runs_data_says() -> None:
    reference = job("experiment=two_rooms_random_wall_small").config
    settings = settings_with(reference, ["evaluation=random_wall_cem"])
    assert settings.planning.steps == reference.data["episode_steps"] == 200
    default = job().config
    assert settings_with(default, ["evaluation=default"]).planning.steps == 24
    overrides = ["evaluation=random_wall_cem", "evaluation.planning.steps=7"]
    assert settings_with(reference, overrides).planning.steps == 7
    assert settings_with(reference, ["evaluation.seed=5"]).planning.steps == 4  # as it was


def test_seeds_are_set_apart_and_a_measure_left_out() -> None:
    config = job().config
    overrides = ["evaluation.task_seed=[5,6]", "evaluation.probe_seed=7"]
    settings = settings_with(config, [*overrides, "~evaluation.measures.rollout"])
    assert (settings.task_seeds(), settings.held_out_seed(), settings.planning_seed()) == (
        [5, 6],
        7,
        0,
    )
    assert list(settings.measures) == ["collapse", "probe", "planning"]
    assert settings_with(config, ["evaluation.task_seed=5"]).task_seeds() == [5]
    for wrong in ("~evaluation.measures.rolout", "~evaluation.seed"):
        with pytest.raises(ConfigError, match="only a measure or a smallest effect"):
            settings_with(config, [wrong])


def test_a_measure_is_added_to_runs_that_are_finished() -> None:
    mine = "evaluation.measures.mine"
    settings = settings_with(job().config, [f"+{mine}._target_=my_lab.Mine", f"+{mine}.power=2"])
    assert list(settings.measures) == ["collapse", "probe", "rollout", "planning", "mine"]
    assert settings.measures["mine"] == {"_target_": "my_lab.Mine", "power": 2}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.lr=1"], "training.lr=1: only evaluation=... and evaluation.<key>=... change"),
        (["evaluation=defualt"], "evaluation=defualt: no such option (did you mean 'default'?)"),
        (["evaluation.planning.task=3"], "planning.task: unknown key (did you mean 'tasks'?)"),
        (["evaluation.planning.tasks=0"], "evaluation.planning.tasks=0: must be at least 1"),
        (["evaluation.planning.kinds=[up]"], "kinds=up: data=two_rooms has same, door, detour"),
        (["evaluation.planning.tasks=abc"], "evaluation.planning.tasks=abc: Value 'abc'"),
    ],
)
def test_a_request_that_does_not_fit_is_one_line(
    finished: Path, capsys: pytest.CaptureFixture[str], overrides: list[str], message: str
) -> None:
    assert message in complaint(capsys, str(finished), *overrides)


def test_a_directory_without_a_finished_run_is_one_line(
    copy: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "holds no finished run" in complaint(capsys, str(tmp_path / "nothing"))
    assert "name at least one run" in complaint(capsys, "evaluation.seed=1")
    weights = copy / layout.EXPORT
    tensors = {key: tensor.clone() for key, tensor in load_file(weights).items()}  # no mmap
    weights.write_bytes(weights.read_bytes()[:100])
    assert "is not the one that this run wrote" in complaint(capsys, str(copy), "evaluation.seed=1")
    summary = files.read_json(copy / layout.SUMMARY)
    del summary["digests"][layout.EXPORT]  # as of a run of an earlier version
    files.write_json(copy / layout.SUMMARY, summary)
    name = "encoder.body.0.weight"
    save_file({**tensors, name: tensors[name][:8].clone()}, weights)
    assert f"size mismatch for {name}" in complaint(capsys, str(copy), "evaluation.seed=1")
    save_file({key: tensor for key, tensor in tensors.items() if key != name}, weights)
    assert f"missing ['{name}']" in complaint(capsys, str(copy), "evaluation.seed=1")
    weights.unlink()
    assert "the run did not finish" in complaint(capsys, str(copy), "evaluation.seed=1")


def test_a_run_without_its_summary_is_not_finished(
    copy: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cut between its export and its end, or started again since."""
    (copy / layout.SUMMARY).unlink()
    error = complaint(capsys, str(copy), "evaluation.seed=1")
    assert f"{copy} has no {layout.SUMMARY}: the run did not finish" in error
    whole = shutil.copytree(finished, copy.parent / "whole")
    assert finished_runs([copy.parent]) == [whole]


def test_files_that_cannot_be_read_or_written_are_one_line(
    copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        full = OSError(28, "No space left on device", "evaluations/a.json")
        patch.setattr(
            "jepa_compare.sweep.commands.evaluate.store_evaluation", mock.Mock(side_effect=full)
        )
        assert "No space left on device" in complaint(capsys, str(copy), "evaluation.seed=1")
    config = files.read_json(copy / layout.CONFIG)
    del config["config"]["training"]["lr"]
    files.write_json(copy / layout.CONFIG, config)
    assert "is no configuration of this version" in complaint(capsys, str(copy))
    (copy / layout.CONFIG).write_text('{"config": {')
    assert "config.json is damaged" in complaint(capsys, str(copy))


def test_goals_and_frames_that_a_world_cannot_make_are_found_before_the_training() -> None:
    with pytest.raises(ConfigError, match=r"kinds=same: data=two_rooms cannot .*only 0 of 2 same"):
        build.check(job("data.min_same_distance=1000").config)
    reference = ("data=two_rooms_random_wall", "model=impala_gru")
    with pytest.raises(ConfigError, match=r"evaluation.frames=91: data=two_rooms_random_wall"):
        build.check(job(*reference, "evaluation.frames=91").config)
    with pytest.raises(ConfigError, match=r"training.frames=91: data=two_rooms_random_wall"):
        build.check(job(*reference, "training.frames=91").config)


def test_evaluate_again_beside_the_first(tmp_path: Path) -> None:
    command("aux_loss=vicreg", "hydra.run.dir=run", cwd=tmp_path)
    first = {p: p.read_bytes() for p in (tmp_path / "run" / "evaluations").iterdir()}
    line = [sys.executable, "-m", "jepa_compare.evaluate", "run", "evaluation.planning.tasks=3"]
    subprocess.run(line, cwd=tmp_path, check=True, capture_output=True)
    assert len(list((tmp_path / "run" / "evaluations").iterdir())) == 2
    assert all(path.read_bytes() == content for path, content in first.items())
    for arguments, message in (
        (["nothing"], "holds no finished run"),
        (["run", "evaluation.planning.kinds=[up]"], "evaluation.planning.kinds=up"),
        (["run", "training.lr=1"], "only evaluation=..."),
    ):
        line = [sys.executable, "-m", "jepa_compare.evaluate", *arguments]
        result = subprocess.run(line, cwd=tmp_path, check=False, capture_output=True, text=True)
        assert result.returncode == 2
        assert message in result.stderr and result.stderr.count("\n") == 1
