"""Draw a comparison: report.html, and every figure as PNG and PDF. No failure here is fatal."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from jepa_compare.comparison.results import Comparison
from jepa_compare.report.figure_data import FigureData, read_figure_data
from jepa_compare.report.figures.curves import (
    collapse_figure,
    learning_figure,
    spectrum_figure,
)
from jepa_compare.report.figures.pairs import pair_figure
from jepa_compare.report.figures.panels import Figure, paper_files
from jepa_compare.report.figures.scores import (
    downstream_figure,
    planning_figure,
    score_figure,
)
from jepa_compare.report.figures.sensitivity import sensitivity_figure
from jepa_compare.report.page.render import Drawn, draw_for_page, report_html
from jepa_compare.runs.untrusted import shown
from jepa_compare.system import files

PAGE, FIGURES = "report.html", "figures"
# By the stem of their files.
OF_SCORES: dict[str, Callable[[Comparison], Figure | None]] = {
    "main_metric": score_figure,
    "downstream": downstream_figure,
    "paired_differences": pair_figure,
    "planning": planning_figure,
    "sensitivity": sensitivity_figure,
}
OF_CURVES: dict[str, Callable[[Comparison, FigureData], Figure | None]] = {
    "learning_curves": learning_figure,
    "collapse": collapse_figure,
    "spectra": spectrum_figure,
}

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

    def attempt(what: str, make: Callable[[], _Result]) -> _Result | None:
        try:
            return make()
        except Exception as error:  # the tables are written; a picture must not lose them
            reason = shown(f"{type(error).__name__}: {error}")
            failures.append(f"{what}: {reason}")
            return None

    figure_data = attempt("what to draw", functools.partial(read_figure_data, comparison))
    if figure_data is None:
        return failures
    makers: dict[str, Callable[[], Figure | None]] = {
        **{n: functools.partial(f, comparison) for n, f in OF_SCORES.items()},
        **{n: functools.partial(f, comparison, figure_data) for n, f in OF_CURVES.items()},
    }
    drawn: dict[str, Drawn] = {}
    for name, make in makers.items():
        before = len(failures)
        figure = attempt(name, make)
        if figure is not None and html:
            drawn[name] = attempt(name, functools.partial(draw_for_page, figure)) or Drawn()
        if len(failures) > before:
            drawn[name] = Drawn(failure=failures[-1].partition(": ")[2])
        if figures:
            attempt(f"{FIGURES}/{name}", functools.partial(_write, figure, name, directory))
    if html:
        page = attempt(
            PAGE, functools.partial(report_html, comparison, figure_data, drawn, command)
        )
        if page is not None:
            content = page.encode()
            attempt(PAGE, functools.partial(files.write_bytes, directory / PAGE, content))
    return failures


def _write(figure: Figure | None, name: str, directory: Path) -> None:
    contents = {} if figure is None else paper_files(figure)
    for suffix in ("png", "pdf"):
        path = directory / FIGURES / f"{name}.{suffix}"
        if path.name in contents:
            files.write_bytes(path, contents[path.name])
        else:
            path.unlink(missing_ok=True)
