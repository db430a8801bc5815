"""What is written where, by the library and by the command."""

import subprocess
import sys
from pathlib import Path

import pytest

from jepa_compare import cli
from jepa_compare.report import draw as drawing
from jepa_compare.report import write_comparison
from tests.support.synthetic import DEFAULT_LOSSES, write_run

ROOT = Path(cli.__file__).parent.parent


def test_tables_are_there_when_nothing_can_be_drawn(
    drawn_sweep: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: object) -> None:
        raise MemoryError("too many pixels")

    monkeypatch.setattr(drawing, "read_figure_data", fail)
    text = write_comparison([drawn_sweep], tmp_path)
    assert "detour success" in text and "report.html" not in text
    assert not (tmp_path / "report.html").exists()
    assert (tmp_path / "comparison_summary.txt").exists()
    assert (tmp_path / "experiment_comparison_results.json").exists()
    assert "not drawn: what to draw: MemoryError: too many pixels" in capsys.readouterr().err


def run_report(*arguments: str) -> int:
    return cli.main(["report", *arguments])


def test_what_is_switched_off_is_not_written(
    drawn_sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (out / "figures").mkdir(parents=True)
    (out / "report.html").write_text("old")
    options = (str(drawn_sweep), "--out", str(out), "--no-html", "--no-figures")
    assert (
        run_report(*options, "--baseline", "none", "--metric", "probe_rmse", "--format", "csv") == 0
    )
    printed = capsys.readouterr()
    assert printed.out.startswith("kind,analysis_set,row")
    assert "report.html there is of an earlier comparison" in printed.err
    assert (out / "report.html").read_text() == "old" and not list((out / "figures").iterdir())


def test_figures_of_another_comparison_are_removed(tmp_path: Path) -> None:
    write_run(tmp_path / "a", loss=DEFAULT_LOSSES["vicreg"], seed=0, state="queued")
    figures = tmp_path / "out" / "figures"
    figures.mkdir(parents=True)
    for name in ("spectra.png", "spectra.pdf", "mine.png"):
        (figures / name).write_text("old")
    write_comparison([tmp_path / "a"], tmp_path / "out", html=False)
    assert (figures / "mine.png").exists()
    assert not (tmp_path / "out" / "report.html").exists()
    assert {path.stem for path in figures.iterdir()} == {"main_metric", "mine"}


def test_open_shows_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []

    def show(url: str) -> bool:
        shown.append(url)
        return False

    monkeypatch.setattr("webbrowser.open", show)
    write_run(tmp_path / "a", loss=DEFAULT_LOSSES["vicreg"], seed=0, state="queued")
    assert run_report(str(tmp_path / "a"), "--no-figures", "--open") == 0
    assert shown == [(tmp_path / "a" / "comparison" / "report.html").as_uri()]
    printed = capsys.readouterr()
    assert "no browser to open" in printed.err
    assert not (tmp_path / "a" / "comparison" / "figures").exists()
    assert "with report.html" in printed.out


def test_the_script_is_the_command(tmp_path: Path) -> None:
    write_run(tmp_path / "a", loss=DEFAULT_LOSSES["vicreg"], seed=0)
    options = ["--no-html", "--no-figures", "--by", "aux_loss", "--format", "markdown"]
    commands = (
        [sys.executable, str(ROOT / "scripts" / "aggregate.py")],
        [sys.executable, "-m", "jepa_compare.cli", "report"],
    )
    results = [
        subprocess.run([*command, str(tmp_path / "a"), *options], capture_output=True, check=True)
        for command in commands
    ]
    assert results[0].stdout == results[1].stdout and results[0].stdout.startswith(b"# Comparison")


def test_help_draws_nothing() -> None:
    code = (
        "import sys, jepa_compare.comparison, jepa_compare.cli as cli\n"
        "try: cli.main(['report', '--help'])\n"
        "except SystemExit: pass\n"
        "loaded = {'torch', 'hydra', 'matplotlib', 'jinja2', 'scipy', 'rich'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    for option in ("--metric", "--baseline", "--by", "--format", "--no-html", "--open", "--out"):
        assert option in result.stdout
