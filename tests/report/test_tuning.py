"""The section "Tuning": on the page, in the terminal, in Markdown, as data; its figures."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from jepa_compare.comparison import Comparison, compare, load_runs
from jepa_compare.comparison.tuning.results import Share, Tuning
from jepa_compare.metrics import PRIMARY, describe
from jepa_compare.report import json_csv
from jepa_compare.report.draw import draw_comparison
from jepa_compare.report.figures.figure import Figure, Panel, panel_svg
from jepa_compare.report.figures.tuning import best_of_figure, fresh_figure, parameters_figure
from jepa_compare.report.json_csv import comparison_record
from jepa_compare.report.markdown import markdown
from jepa_compare.report.terminal import plain_text, rich_text
from jepa_compare.report.tuning import (
    best_text,
    budget_table,
    gain_table,
    protocol,
    settings_table,
    share_text,
    short_table,
)
from jepa_compare.statistics import BestOf
from tests.report.test_outputs import documented
from tests.support.pages import Reader


@pytest.fixture(scope="module")
def comparison(study_sweep: Path) -> Comparison:
    return compare(load_runs(study_sweep))


@pytest.fixture(scope="module")
def tuning(comparison: Comparison) -> Tuning:
    (tuning,) = comparison.tuning
    return tuning


@pytest.fixture(scope="module")
def page(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("page")
    assert draw_comparison(comparison, out, html=True, figures=False, command="again") == []
    return (out / "report.html").read_text()


def of(figure: Figure | None) -> Figure:
    """The figure, which must be there."""
    assert figure is not None
    return figure


def drawn(panel: Panel) -> Axes:
    axes = Canvas().subplots()
    panel.draw(axes)
    return axes


def heights(axes: Axes) -> list[list[float]]:
    """y of each line."""
    return [np.asarray(line.get_ydata(), float).tolist() for line in axes.lines]


def test_the_section_stands_after_the_differences(page: str, comparison: Comparison) -> None:
    reader = Reader(page)
    names = list(reader.sections)
    assert names.index("tuning") == names.index("differences") + 1
    links = [value for tag, name, value in reader.attributes if (tag, name) == ("a", "href")]
    assert links == [f"#{name}" for name in names]
    text = " ".join(reader.sections["tuning"].split())
    (tuning,) = comparison.tuning
    assert protocol(tuning) in text
    for grid in (gain_table(tuning), budget_table(tuning), settings_table(tuning)):
        for line in grid.lines:
            assert all(cell in text for cell in line)
    for name in ("tuning_fresh", "tuning_best_of", "tuning_parameters"):
        assert f'id="figure-{name}"' in page


def test_the_protocol_counts_what_was_done(tuning: Tuning) -> None:
    text = protocol(tuning)
    assert text.startswith("8 trials of each loss (sobol, study seed 0); the best 2 confirmed on 2")
    assert "on 5 fresh seeds, as shipped on 4 of them, and at 3× the steps on 4. 75 runs" in text


def test_tables_hold_the_numbers(tuning: Tuning) -> None:
    gain, budget = gain_table(tuning), budget_table(tuning)
    metric = tuning.metric
    for loss, line, other in zip(tuning.losses, gain.lines, budget.lines, strict=True):
        assert line[0] == other[0] == loss.loss
        assert line[2].split(" ± ")[0] == metric.text(loss.tuned.mean)
        assert line[4] == metric.text(loss.gain.mean, signed=True)
        assert line[7] == metric.text(loss.confirmed.mean)
        assert line[8] == metric.text(loss.curse, signed=True)
        assert other[1] == str(len(loss.parameters))
        assert other[4] == best_text(metric, loss.best_of[-1])
        assert other[6] == share_text(loss.collapsed)
    lines = [line for line in settings_table(tuning).lines if line[0] == "dino"]
    assert [line[1] for line in lines] == [
        "training.lr (all losses)",
        "aux_loss.weight",
        "aux_loss.center_decay",
    ]
    assert lines[2][2:4] == ("0.5 to 0.99", "0.9")


def test_a_bound_is_said_where_there_is_one() -> None:
    metric = describe(PRIMARY)
    both, one = BestOf(budget=1, value=0.7, low=0.5, high=0.9), math.nan
    assert best_text(metric, both) == "0.70 [0.50, 0.90]"
    assert (
        best_text(metric, BestOf(budget=8, value=0.9, low=0.8, high=one)) == "0.90 (at least 0.80)"
    )
    assert (
        best_text(metric, BestOf(budget=8, value=0.9, low=one, high=1.0)) == "0.90 (at most 1.00)"
    )
    assert best_text(metric, BestOf(budget=1, value=0.9, low=one, high=one)) == "0.90"
    assert share_text(Share(hits=0, of=16)) == "0 of 16 [0.00, 0.19]"
    assert share_text(Share(hits=0, of=0)) == "-"


def test_best_of_curves_draw_bounds_only_where_there_are_some(
    comparison: Comparison, tuning: Tuning
) -> None:
    together, *alone = of(best_of_figure(comparison)).panels
    lines = heights(drawn(together))
    assert lines == [[best.value for best in loss.best_of] for loss in tuning.losses]
    assert [panel.title for panel in alone] == [loss.loss for loss in tuning.losses]
    for panel, loss in zip(alone, tuning.losses, strict=True):
        value, low, high = heights(drawn(panel))
        assert value == [best.value for best in loss.best_of]
        np.testing.assert_equal(low, [best.low for best in loss.best_of])
        np.testing.assert_equal(high, [best.high for best in loss.best_of])
        assert np.isfinite(high).sum() == 1  # of 8 trials only at B = 1


def test_each_parameter_is_drawn_against_score(comparison: Comparison, tuning: Tuning) -> None:
    panels = iter(of(parameters_figure(comparison)).panels)
    for loss in tuning.losses:
        for parameter in loss.parameters:
            panel = next(panels)
            assert panel.title == f"{loss.loss}: {parameter.key.rpartition('.')[2]}"
            axes = drawn(panel)
            shipped, *trials = axes.lines
            assert np.asarray(shipped.get_xdata())[0] == parameter.place(parameter.searched.default)
            points = [(np.ravel(t.get_xdata())[0], np.ravel(t.get_ydata())[0]) for t in trials]
            assert points == [
                (parameter.place(trial.values[parameter.key]), trial.score) for trial in loss.trials
            ]
            assert [line.get_marker() for line in trials].count("D") == 1
            assert trials[loss.selected or 0].get_marker() == "D"
            hollow = [line.get_markerfacecolor() != line.get_color() for line in trials]
            assert hollow == [trial.outcome != "healthy" for trial in loss.trials]
    assert next(panels, None) is None


def test_fresh_scores_stand_beside_those_that_selected(
    comparison: Comparison, tuning: Tuning
) -> None:
    (panel,) = of(fresh_figure(comparison)).panels
    axes = drawn(panel)
    assert [text.get_text() for text in axes.get_yticklabels()] == [x.loss for x in tuning.losses]
    there = {round(float(x), 9) for line in axes.lines for x in np.ravel(line.get_xdata())}
    for loss in tuning.losses:
        means = (loss.shipped.mean, loss.tuned.mean, loss.confirmed.mean, loss.trial_score)
        ends = (*(loss.tuned.interval or ()), *(loss.shipped.interval or ()))
        assert {round(value, 9) for value in (*means, *ends)} <= there
    assert "svg" in panel_svg(panel, "salt")


def test_the_short_form_fits_a_terminal(comparison: Comparison, tuning: Tuning) -> None:
    for width in (80, 100, 200):
        text = rich_text(comparison, width, colour=False)
        block = text[text.index("Tuning\n") :]
        assert all(len(line) <= width for line in block.splitlines())
        for loss in tuning.losses:
            assert tuning.metric.text(loss.tuned.mean) in block
    assert short_table(tuning, 80).header[:3] == short_table(tuning).header[:3]
    assert len(short_table(tuning, 80).header) < len(short_table(tuning).header) == 12
    whole = plain_text(comparison, whole=True)
    assert "aux_loss.center_decay" in whole
    assert "aux_loss.center_decay" not in plain_text(comparison)


def test_markdown_holds_every_table(comparison: Comparison, tuning: Tuning) -> None:
    text = markdown(comparison)
    section = text[text.index("## Tuning") :].partition("\n## ")[0]
    rules = [line for line in section.splitlines() if line.startswith("| ---")]
    assert len(rules) == 3
    assert "The conclusion holds at 3 times the steps." in section


def test_the_json_is_what_its_schema_says(comparison: Comparison, tuning: Tuning) -> None:
    record = json.loads(json.dumps(comparison_record(comparison), allow_nan=False))
    schema = json_csv.__doc__ or ""
    (study,) = record["tuning"]
    assert set(study) == documented("tuning", schema)
    assert study["study"]["trials"] == 8
    for loss, mine in zip(study["losses"], tuning.losses, strict=True):
        assert set(loss) == documented("TUNED", schema)
        assert set(loss["collapsed"]) == documented("SHARE", schema)
        assert set(loss["tuned"]) == documented("MEAN", schema)
        assert loss["tuned"]["mean"] == mine.tuned.mean
        assert (loss["gain"]["low"], loss["gain"]["high"]) == (mine.gain.interval or (None, None))
        assert loss["best_of"][7]["high"] is None
        assert [trial["score"] for trial in loss["trials"]] == [t.score for t in mine.trials]
    assert study["lengths"][0]["answer"] == "holds"


def test_a_sweep_without_a_study_has_no_section(drawn_sweep: Path) -> None:
    page = (drawn_sweep / "comparison" / "report.html").read_text()
    assert "tuning" not in Reader(page).sections
    plain = compare(load_runs(drawn_sweep))
    assert comparison_record(plain)["tuning"] == []
    assert "\nTuning\n" not in plain_text(plain, whole=True)
    for figure in (best_of_figure, parameters_figure, fresh_figure):
        assert figure(plain) is None
