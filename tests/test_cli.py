"""`jepa-compare report`: options, exit codes, and mistakes in one line."""

from pathlib import Path

import pytest

from jepa_compare import __version__
from jepa_compare.cli import main
from jepa_compare.report import write
from tests.support.synthetic import DEFAULT_LOSSES, write_run


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two losses, two learning rates, two seeds."""
    monkeypatch.setattr(write, "_draw", lambda *_, **__: None, raising=False)  # has its own tests
    for seed in range(2):
        for name in ("vicreg", "dino"):
            for lr in (0.1, 0.01):
                swept = {"training.lr": lr}
                write_run(tmp_path / "sweep", loss=DEFAULT_LOSSES[name], seed=seed, overrides=swept)
    return tmp_path / "sweep"


def test_options_reach_the_comparison(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = grid.parent / "out"
    command = ["report", str(grid), "--out", str(out), "--metric", "probe_rmse"]
    assert main([*command, "--by", "aux_loss.name,training.lr", "--format", "csv"]) == 0
    text = capsys.readouterr().out
    assert text == (out / "comparison.csv").read_text()
    assert text.startswith("kind,analysis_set,row,target,aux_loss.name,training.lr,metric,")
    assert main([*command, "--by", "aux_loss", "--by", "lr", "--baseline", "dino · lr=0.1"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Comparison by probe RMSE: 8 runs, 4 rows, 2 seeds")
    assert "tested rows are better than dino · lr=0.1" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "nope"], "metric=nope: no run has it; known here: success_detour, "),
        (["--by", "training.lrr"], "by=training.lrr: no run has such a setting (did you mean "),
        (["--baseline", "dino"], "baseline=dino: no such row; rows here: "),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_1(
    grid: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["report", str(grid), *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"jepa-compare: {message}")
    assert captured.err.count("\n") == 1


def test_a_folder_without_runs_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"jepa-compare: no run found in {tmp_path}\n"
    assert main(["report", str(tmp_path / "missing")]) == 1
    assert capsys.readouterr().err == f"jepa-compare: {tmp_path / 'missing'} is not a directory\n"


def test_a_folder_without_runs_has_no_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", str(tmp_path)]) == 1
    assert capsys.readouterr() == ("", f"jepa-compare: no run found in {tmp_path}\n")
    (tmp_path / "sweep" / "run").mkdir(parents=True)
    (tmp_path / "sweep" / "run" / "config.json").write_text("{")
    assert main(["status", str(tmp_path / "sweep")]) == 1
    error = capsys.readouterr().err
    assert f"no run found in {tmp_path / 'sweep'}; {tmp_path / 'sweep' / 'run'}: " in error
    assert error.count("\n") == 1


def test_the_version_is_this_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"jepa_compare {__version__}\n"
