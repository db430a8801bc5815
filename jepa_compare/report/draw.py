"""Draw a comparison: report.html, and every figure as PNG and PDF. No failure here is fatal."""

from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from jepa_compare.comparison.results import Comparison
from jepa_compare.report.figure_data import FigureData, read_figure_data
from jepa_compare.report.figures.curves import (
    collapse_figure,
    learning_figure,
    spectrum_figure,
)
from jepa_compare.report.figures.figure import Figure, paper_files
from jepa_compare.report.figures.paired_differences import pair_figure
from jepa_compare.report.figures.scores import (
    downstream_figure,
    planning_figure,
    score_figure,
)
from jepa_compare.report.figures.sensitivity import sensitivity_figure
from jepa_compare.report.figures.tuning import (
    best_of_figure,
    fresh_figure,
    parameters_figure,
)
from jepa_compare.report.page.render import Drawn, draw_for_page, report_html
from jepa_compare.runs import layout
from jepa_compare.runs.untrusted import shown
from jepa_compare.system import files

PAGE = "report.html"
# By the stem of their files.
OF_SCORES: dict[str, Callable[[Comparison], Figure | None]] = {
    "main_metric": score_figure,
    "downstream": downstream_figure,
    "paired_differences": pair_figure,
    "planning": planning_figure,
    "sensitivity": sensitivity_figure,
    "tuning_fresh": fresh_figure,
    "tuning_best_of": best_of_figure,
    "tuning_parameters": parameters_figure,
}
OF_CURVES: dict[str, Callable[[Comparison, FigureData], Figure | None]] = {
    "learning_curves": learning_figure,
    "collapse": collapse_figure,
    "spectra": spectrum_figure,
}

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def draw_comparison(
    comparison: Comparison, directory: Path, *, html: bool, figures: bool, command: str
) -> list[str]:
    """Write report.html and figures/ into `directory`, as far as asked for.

    Returns a line for each thing that failed; whatever else could be drawn is there. A figure that
    this comparison does not have is removed, lest an old one be taken for it. `command` is what
    makes the page again.
    """
    failures: list[str] = []

    def attempt(
        what: str, call: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs
    ) -> _Result | None:
        try:
            return call(*given, **named)
        except Exception as error:  # the tables are written; a picture must not lose them
            reason = shown(f"{type(error).__name__}: {error}")
            failures.append(f"{what}: {reason}")
            return None

    figure_data = attempt("what to draw", read_figure_data, comparison)
    if figure_data is None:
        return failures
    drawn: dict[str, Drawn] = {}
    for name in (*OF_SCORES, *OF_CURVES):
        before = len(failures)
        if name in OF_SCORES:
            figure = attempt(name, OF_SCORES[name], comparison)
        else:
            figure = attempt(name, OF_CURVES[name], comparison, figure_data)
        if figure is not None and html:
            drawn[name] = attempt(name, draw_for_page, figure, name) or Drawn()
        if len(failures) > before:
            drawn[name] = Drawn(failure=failures[-1].partition(": ")[2])
        if figures:
            attempt(f"{layout.FIGURES}/{name}", _write, figure, name, directory)
    if html:
        page = attempt(PAGE, report_html, comparison, figure_data, drawn, command)
        if page is not None:
            attempt(PAGE, files.write_bytes, directory / PAGE, page.encode())
    return failures


def _write(figure: Figure | None, name: str, directory: Path) -> None:
    contents = {} if figure is None else paper_files(figure, name)
    for suffix in ("png", "pdf"):
        path = directory / layout.FIGURES / f"{name}.{suffix}"
        if suffix in contents:
            files.write_bytes(path, contents[suffix])
        else:
            path.unlink(missing_ok=True)
