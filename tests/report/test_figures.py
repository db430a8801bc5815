"""Figures draw the numbers of the comparison, and nothing that a name contains."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from jepa_compare.comparison import compare, load_runs
from jepa_compare.comparison.results import Comparison
from jepa_compare.metrics import COLLAPSED_SPREAD
from jepa_compare.report.figure_data import FigureData, read_figure_data
from jepa_compare.report.figures.curves import (
    collapse_figure,
    learning_figure,
    spectrum_figure,
)
from jepa_compare.report.figures.figure import Figure, Panel, panel_svg, paper_files
from jepa_compare.report.figures.paired_differences import pair_figure
from jepa_compare.report.figures.scores import (
    MOST_ROWS,
    downstream_figure,
    planning_figure,
    score_figure,
)
from jepa_compare.report.figures.sensitivity import sensitivity_figure
from jepa_compare.report.figures.style import VARIABLES, number_text, row_style, short, wrapped
from tests.support.synthetic import DEFAULT_LOSSES, Loss, Sweep, write_run


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    sweep = Sweep(path=tmp_path_factory.mktemp("sweep")).write()
    return compare(load_runs(sweep))


@pytest.fixture(scope="module")
def figure_data(comparison: Comparison) -> FigureData:
    return read_figure_data(comparison)


def of(figure: Figure | None) -> Figure:
    """The figure, which must be there."""
    assert figure is not None
    return figure


def drawn(panel: Panel) -> Axes:
    axes = Canvas().subplots()
    panel.draw(axes)
    return axes


def points(axes: Axes) -> set[float]:
    """All x of all lines, to 9 digits."""
    return {
        round(float(x), 9)
        for line in axes.lines
        for x in np.atleast_1d(np.asarray(line.get_xdata()))
    }


def test_scores_are_drawn_with_mean_interval_and_floors(comparison: Comparison) -> None:
    (panel,) = of(score_figure(comparison)).panels
    axes = drawn(panel)
    there = points(axes)
    for row in comparison.rows:
        estimate = comparison.estimate(row, comparison.primary)
        assert estimate.interval is not None
        wanted = [*estimate.scores.values(), estimate.mean, *estimate.interval]
        assert {round(value, 9) for value in wanted} <= there
    for reference in comparison.references:
        assert round(reference.estimates[comparison.primary.key].mean, 9) in there
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == [row.label for row in comparison.rows]
    bottom, top = axes.get_ylim()
    assert top < 0 < bottom  # the best row is on top


def test_every_panel_of_planning_is_a_kind_of_task(comparison: Comparison) -> None:
    figure = planning_figure(comparison)
    assert figure is not None
    assert [p.title for p in figure.panels] == ["detour success", "door success", "same success"]
    assert {key.label for key in figure.keys} == {r.label for r in comparison.references}


def test_a_wide_scale_is_logarithmic(comparison: Comparison) -> None:
    figure = downstream_figure(comparison)
    assert figure is not None
    by_title = {panel.title: drawn(panel).get_xscale() for panel in figure.panels}
    assert by_title["probe RMSE (px)"] == "log"  # 0.3 to 8.4 px
    assert by_title["probe R²"] == "linear"


def test_differences_are_drawn_hollow_unless_separable(comparison: Comparison) -> None:
    figure = pair_figure(comparison)
    assert figure is not None
    axes = drawn(figure.panels[0])
    pairs = comparison.pairs["all", comparison.primary.key]
    assert {pair.separable for pair in pairs} == {True, False}
    means = [line for line in axes.lines if line.get_marker() in ("o", "D")]
    assert [float(np.asarray(line.get_xdata())[0]) for line in means] == [p.mean for p in pairs]
    hollow = [line.get_markerfacecolor() != line.get_color() for line in means]
    assert hollow == [not pair.separable for pair in pairs]
    said = [text.get_text() for text in axes.texts]
    assert len(said) == len(pairs) and all(text.startswith("p ") for text in said)


def test_too_many_rows_are_cut_and_it_is_said(tmp_path: Path) -> None:
    for index in range(MOST_ROWS + 3):
        loss = Loss(name=f"loss_{index:02}", success={"detour": index / 40}, probe_rmse=1.0)
        write_run(tmp_path, loss=loss, seed=0, rows=2)
    figure = of(score_figure(compare(load_runs(tmp_path))))
    assert len(drawn(figure.panels[0]).get_yticklabels()) == MOST_ROWS
    assert figure.notes == (f"The first {MOST_ROWS} of {MOST_ROWS + 3} rows are drawn.",)


def test_sensitivity_follows_the_numbers_that_were_swept(tmp_path: Path) -> None:
    for name in ("vicreg", "sigreg"):
        for weight in (3.0, 0.1, 1.0):
            for seed in range(2):
                swept = {"aux_loss.weight": weight, "aux_loss.target": "shared"}
                loss = DEFAULT_LOSSES[name]
                write_run(tmp_path, loss=loss, seed=seed, overrides=swept, rows=2)
    comparison = compare(load_runs(tmp_path))
    figure = sensitivity_figure(comparison)
    assert figure is not None
    assert [panel.about for panel in figure.panels] == ["detour success against aux_loss.weight"]
    assert sorted(key.label for key in figure.keys) == ["sigreg", "vicreg"]
    axes = drawn(figure.panels[0])
    assert axes.get_xscale() == "log"
    joined = [line for line in axes.lines if len(np.asarray(line.get_xdata())) == 3]
    assert [list(np.asarray(line.get_xdata())) for line in joined] == [[0.1, 1.0, 3.0]] * 2
    wanted = {comparison.estimate(row, comparison.primary).mean for row in comparison.rows}
    assert {float(y) for line in joined for y in np.asarray(line.get_ydata())} == wanted


def test_a_sweep_without_numbers_has_no_sensitivity(comparison: Comparison) -> None:
    assert sensitivity_figure(comparison) is None


def test_curves_have_a_panel_per_term_and_a_band_per_row(
    comparison: Comparison, figure_data: FigureData
) -> None:
    figure = learning_figure(comparison, figure_data)
    assert figure is not None
    titles = [panel.title for panel in figure.panels]
    assert titles[:3] == ["prediction loss", "auxiliary loss, weighted", "total loss"]
    assert {"aux/std_coeff", "aux/num_slices", "gradient norm"} <= set(titles)
    axes = drawn(figure.panels[0])
    assert len(axes.lines) == len(axes.collections) == len(comparison.rows)
    rows = [row.label for row in comparison.rows]
    assert [key.label for key in figure.keys] == rows
    values = [history.column("train/prediction")[1] for history in figure_data.histories[rows[0]]]
    assert np.allclose(np.asarray(axes.lines[0].get_ydata()), np.mean(values, axis=0))


def test_collapse_is_drawn_with_its_threshold(
    comparison: Comparison, figure_data: FigureData
) -> None:
    figure = collapse_figure(comparison, figure_data)
    assert figure is not None and figure.panels[0].title == "spread"
    axes = drawn(figure.panels[0])
    level = [line for line in axes.lines if list(np.asarray(line.get_xdata())) == [0, 1]]
    assert float(np.asarray(level[0].get_ydata())[0]) == COLLAPSED_SPREAD


def test_spectra_leave_out_zeros(tmp_path: Path) -> None:
    for rank in (5, 100):  # of 128 singular values exp(-i / rank), 58 and all are above 1e-5
        loss = Loss(name=f"rank_{rank}", success={"detour": 0.5}, probe_rmse=1.0, rank=rank)
        write_run(tmp_path, loss=loss, seed=0, rows=2)
    comparison = compare(load_runs(tmp_path))
    figure = spectrum_figure(comparison, read_figure_data(comparison))
    assert figure is not None
    lines = drawn(figure.panels[0]).lines
    values = {key.label: line for key, line in zip(figure.keys, lines, strict=True)}
    counts = {name: np.isfinite(np.asarray(v.get_ydata())).sum() for name, v in values.items()}
    assert counts == {"rank_5": 58, "rank_100": 128}


def test_svg_holds_no_colour_of_its_own_and_no_markup(comparison: Comparison) -> None:
    evil = '</text><script>alert(1)</script> & "quotes" $x_1$'

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=row_style(0).colour, marker="o")
        axes.set_xlabel(evil)
        axes.set_yticks([0], [evil])

    svg = panel_svg(Panel(title=evil, draw=draw, about=evil), "evil")
    root = ElementTree.fromstring(svg)
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert texts.count(evil) == 3
    assert not [element for element in root.iter() if "script" in element.tag]
    (real,) = of(score_figure(comparison)).panels
    drawing = panel_svg(real, "real")
    assert re.findall(r"#[0-9a-f]{6}\b", drawing) == []
    assert set(re.findall(r"var\((--[a-z0-9-]+)\)", drawing)) <= set(VARIABLES.values())
    assert "http" not in drawing


def test_names_inside_two_drawings_do_not_meet(comparison: Comparison) -> None:
    (panel,) = of(score_figure(comparison)).panels
    first, second = (panel_svg(panel, salt) for salt in ("a", "b"))
    names = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (first, second)]
    assert names[0] and not names[0] & names[1]
    for svg, inside in zip((first, second), names, strict=True):
        used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
        assert used == inside


def test_paper_files_are_whole_and_reproducible(comparison: Comparison) -> None:
    figure = of(score_figure(comparison))
    files = paper_files(figure, "main_metric")
    assert set(files) == {"png", "pdf"}
    assert files["png"].startswith(b"\x89PNG\r\n\x1a\n")
    assert files["pdf"].startswith(b"%PDF-")
    assert b"/Type3" not in files["pdf"]
    assert paper_files(figure, "main_metric") == files


def test_a_name_without_glyphs_is_drawn() -> None:
    def draw(axes: Axes) -> None:
        axes.set_title("损失 🦜")

    figure = Figure(title="x", panels=(Panel(title="损失", draw=draw, about="x"),), how="x")
    assert len(paper_files(figure, "x")["png"]) > 1000  # warnings are errors here


def test_row_styles_differ() -> None:
    assert len({row_style(index) for index in range(210)}) == 210


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.01, "0.01"), (3.0, "3"), (1e-5, "10⁻⁵"), (3e-5, "3·10⁻⁵"), (1e6, "10⁶"), (0.001, "0.001")],
)
def test_ticks(value: float, text: str) -> None:
    assert number_text(value) == text


def test_labels_are_wrapped_and_cut_in_the_middle() -> None:
    assert wrapped("vicreg") == "vicreg"
    assert (
        wrapped("vicreg · weight=0.1 · target=stop_grad")
        == "vicreg · weight=0.1 ·\ntarget=stop_grad"
    )
    assert wrapped("x" * 30) == "x" * 12 + "…" + "x" * 11
    assert short("abcdefgh", 5) == "ab…gh" and short("abcde", 5) == "abcde"
