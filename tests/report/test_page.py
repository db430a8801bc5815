"""The page: what it shows, in which order, and what it refuses to do."""

import re
import struct
from pathlib import Path
from unittest import mock

import pytest

from jepa_compare.comparison import Comparison, compare, load_runs
from jepa_compare.report import draw as drawing
from jepa_compare.report.draw import draw_comparison
from jepa_compare.report.figure_data import PICTURE_LIMIT, read_figure_data, read_picture
from jepa_compare.report.page.episodes import galleries
from jepa_compare.report.tables import combinations
from jepa_compare.runs import layout
from tests.report.conftest import EVIL
from tests.support.pages import Reader
from tests.support.synthetic import DEFAULT_LOSSES, write_run


@pytest.fixture(scope="module")
def comparison(drawn_sweep: Path) -> Comparison:
    return compare(load_runs(drawn_sweep))


@pytest.fixture(scope="module")
def page(drawn_sweep: Path) -> str:
    return (drawn_sweep / "comparison" / "report.html").read_text()


@pytest.fixture(scope="module")
def reader(page: str) -> Reader:
    return Reader(page)


def test_sections_come_in_order_with_the_conclusion_first(reader: Reader) -> None:
    assert list(reader.sections) == [
        "conclusion",
        "results",
        "differences",
        "planning",
        "curves",
        "collapse",
        "spectra",
        "pictures",
        "sensitivity",
        "cost",
        "analysis_sets",
        "failures",
        "left-out",
        "provenance",
    ]
    links = [value for tag, name, value in reader.attributes if (tag, name) == ("a", "href")]
    assert links == [f"#{name}" for name in reader.sections]


def test_the_results_are_on_the_page(reader: Reader, comparison: Comparison) -> None:
    sections = reader.sections
    for sentence in (*comparison.conclusion, *comparison.warnings):
        assert sentence in sections["conclusion"]
    for row in comparison.rows:
        assert row.label in sections["results"]
        estimate = comparison.estimate(row, comparison.primary)
        assert comparison.primary.text(estimate.mean) in sections["results"]
    for reference in comparison.references:
        assert reference.label in sections["results"]
    for pair in comparison.pairs["all", comparison.primary.key]:
        assert f"{pair.a} - {pair.b}" in sections["differences"]
    assert "aux/cross" not in sections["curves"] and "aux/std_coeff" in sections["curves"]
    assert (
        "healthy" in sections["analysis_sets"] and "complete collapse" in sections["analysis_sets"]
    )
    assert f"OSError: {EVIL}" in sections["failures"]
    assert "train/aux not finite at step 370" in sections["failures"]
    assert "config.json is truncated or not JSON" in sections["left-out"]
    assert "versions.torch" in sections["provenance"] and "2.13.0" in sections["provenance"]
    assert "again & again" in sections["provenance"]


def test_every_figure_has_its_words_beside_it(reader: Reader) -> None:
    for name in ("results", "differences", "planning", "curves", "collapse", "spectra", "pictures"):
        assert "How to read this" in reader.sections[name]


def test_markup_in_names_stays_text(page: str, reader: Reader) -> None:
    assert "script" not in reader.tags
    assert not [item for item in reader.attributes if item[1].startswith("on")]
    assert EVIL in reader.sections["results"]
    assert "<script" not in page and "<img src=x" not in page


def test_nothing_comes_from_elsewhere(page: str, reader: Reader) -> None:
    for tag, name, value in reader.attributes:
        if name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster"):
            assert value.startswith(("#", "data:")), (tag, name, value)
    assert {url[:1] for url in re.findall(r"url\(\"?(.)", page)} <= {"#"}
    assert "@import" not in page and "http://" not in page and "https://" not in page
    (policy,) = [v for t, n, v in reader.attributes if t == "meta" and v.startswith("default-src")]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")


def test_pictures_are_of_the_median_run_of_each_row(comparison: Comparison, reader: Reader) -> None:
    figure_data = read_figure_data(comparison)
    for row in comparison.rows:
        scores = sorted(comparison.estimate(row, comparison.primary).scores.values())
        chosen = figure_data.chosen[row.label]
        if len(scores) == 3:
            assert chosen.metrics[comparison.primary.key] == pytest.approx(scores[1])
        with_pictures = row.label in DEFAULT_LOSSES
        assert [p.kind for p in figure_data.pictures[row.label]] == ["png", "gif"] * with_pictures
    images = [v for tag, name, v in reader.attributes if (tag, name) == ("img", "src")]
    assert len(images) == 2 * len(DEFAULT_LOSSES)


def test_paths_end_faint_after_the_goal(comparison: Comparison) -> None:
    drawn = galleries(read_figure_data(comparison))
    assert [gallery.kind for gallery in drawn] == ["detour", "door", "same"]
    for gallery in drawn:
        for _, drawings in gallery.lines:
            reached, missed = drawings  # task 0 is a success in every synthetic run
            assert reached is not None and missed is not None
            assert reached.success and not missed.success
            assert missed.says == "task 1: missed" and missed.rest == ""
            x, y, width, height = gallery.box
            for goal in (reached.goal, missed.goal):
                assert x < goal[0] < x + width and y < goal[1] < y + height


@pytest.mark.parametrize(
    "content",
    [
        b"<svg onload=alert(1)>",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 100_000, 100_000),
        b"GIF89a" + struct.pack("<HH", 0, 1),
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 4, 4) + b"\0" * PICTURE_LIMIT,
    ],
    ids=["other", "short", "many pixels", "no pixels", "large"],
)
def test_pictures_that_are_none_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert read_picture(tmp_path / "a.png", PICTURE_LIMIT) is None


def test_links_to_pictures_are_not_followed(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", loss=DEFAULT_LOSSES["vicreg"], seed=0, figures=True)
    png = (run / layout.FIGURES / "rollouts.png").read_bytes()
    (tmp_path / "secret.png").write_bytes(png)
    assert read_picture(tmp_path / "secret.png", PICTURE_LIMIT) is not None
    (run / layout.FIGURES / "rollouts.png").unlink()
    (run / layout.FIGURES / "rollouts.png").symlink_to(tmp_path / "secret.png")
    assert read_picture(run / layout.FIGURES / "rollouts.png", PICTURE_LIMIT) is None
    figure_data = read_figure_data(compare(load_runs(tmp_path / "a")))
    assert [p.name for p in figure_data.pictures["vicreg"]] == ["planning.gif"]


def test_what_is_not_there_is_said_in_a_line(tmp_path: Path) -> None:
    write_run(tmp_path / "a", loss=DEFAULT_LOSSES["vicreg"], seed=0, state="queued")
    comparison = compare(load_runs(tmp_path / "a"))
    assert draw_comparison(comparison, tmp_path, html=True, figures=True, command="") == []
    sections = Reader((tmp_path / "report.html").read_text()).sections
    assert "No run has a score" in sections["conclusion"]
    assert "No run was evaluated by planning" in sections["planning"]
    assert "No episode was recorded" in sections["planning"]
    assert "No run recorded learning curves" in sections["curves"]
    assert "No run recorded collapse diagnostics" in sections["collapse"]
    assert "No run recorded a spectrum" in sections["spectra"]
    assert "No run drew pictures" in sections["pictures"]
    assert "The sweep varies no number" in sections["sensitivity"]
    assert "No run recorded its cost" in sections["cost"]
    assert "Nothing: everything that was found was used" in sections["left-out"]


def test_combinations_have_tables_of_their_own(tmp_path: Path) -> None:
    for name in ("vicreg", "dino"):
        for rate in (0.1, 0.001):
            swept = {"training.lr": rate}
            write_run(tmp_path, loss=DEFAULT_LOSSES[name], seed=0, overrides=swept, rows=2)
    comparison = compare(load_runs(tmp_path))
    out = tmp_path / "out"
    assert draw_comparison(comparison, out, html=True, figures=False, command="") == []
    sections = Reader((out / "report.html").read_text()).sections
    for combination in combinations(comparison):
        assert combination.title in sections["results"]
        assert combination.conclusion in sections["results"]
    assert "How to read this" in sections["sensitivity"]


def test_a_figure_that_fails_loses_nothing_else(
    comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("<b>no</b>")

    monkeypatch.setitem(drawing.OF_CURVES, "spectra", fail)
    failures = draw_comparison(comparison, tmp_path, html=True, figures=False, command="")
    assert failures == ["spectra: ZeroDivisionError: <b>no</b>"]
    sections = Reader((tmp_path / "report.html").read_text()).sections
    assert "Could not be drawn: ZeroDivisionError: <b>no</b>" in sections["spectra"]
    assert "How to read this" in sections["collapse"]


def test_a_sweep_ends_with_its_page_also_when_jobs_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from jepa_compare.sweep.directory import finish
    from jepa_compare.sweep.job import Job
    from jepa_compare.sweep.plan import CommandLine

    write_run(tmp_path, loss=DEFAULT_LOSSES["vicreg"], seed=0, state="queued")
    failed = write_run(tmp_path, loss=DEFAULT_LOSSES["dino"], seed=0, state="failed")
    (failed / layout.METRICS).unlink()  # no curves to draw: a quicker test
    jobs = [mock.Mock(spec=Job, directory=failed)]
    finish(mock.Mock(spec=CommandLine, jobs=jobs, overrides=[], all_known=False, study=None))
    printed = capsys.readouterr()
    assert "Written to" in printed.out and "failed: RuntimeError" in printed.err
    page = (tmp_path / layout.COMPARISON / "report.html").read_text()
    assert "out of patience" in Reader(page).sections["failures"]
    assert (tmp_path / layout.COMPARISON / "figures" / "main_metric.pdf").exists()
