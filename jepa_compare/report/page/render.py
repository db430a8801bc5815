"""report.html: the whole comparison as one page that needs nothing else.

No script, no font, no picture from elsewhere: a content security policy in the page forbids even
the attempt. Every text goes through Jinja's autoescape; only the drawings of `figures.panel_svg`,
whose texts matplotlib has escaped, are put in as they are.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jepa_compare import __version__
from jepa_compare.comparison.differences import counted
from jepa_compare.comparison.results import Comparison
from jepa_compare.comparison.rows import legend, lines_above
from jepa_compare.comparison.runs import OUTCOMES
from jepa_compare.report.figure_data import FigureData, Picture
from jepa_compare.report.figures.figure import Figure, panel_svg
from jepa_compare.report.figures.style import MARKER_PATHS, VARIABLES, row_style
from jepa_compare.report.legends import EXPLORATORY, PAIR_LEGEND, main_legend, seeds_line
from jepa_compare.report.page import page_tables as tables
from jepa_compare.report.page.episodes import galleries
from jepa_compare.report.page.tuning import study_sections
from jepa_compare.report.tables import (
    analysis_sets_differ,
    combinations,
    exploratory_table,
    left_out_lines,
    main_table,
    pair_table,
)
from jepa_compare.report.tuning import BUDGET_LEGEND, GAIN_LEGEND
from jepa_compare.runs.untrusted import shown

_PAGE = Path(__file__).parent
_MOST_PAIRS = 100
_MOST_LEFT_OUT = 60
_MOST_COMMANDS = 30
_MOST_METRICS = 40
_MOST_COMBINATIONS = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """One figure of the page: its panels, or why there are none."""

    figure: Figure | None = None
    panels: tuple[str, ...] = ()
    """Inline SVG."""
    failure: str = ""
    """Why drawing failed; "" without a figure means that there is nothing to draw."""


def draw_for_page(figure: Figure, name: str) -> Drawn:
    """The panels of the figure called `name` as inline SVG."""
    panels = (panel_svg(panel, f"{name}-{i}") for i, panel in enumerate(figure.panels))
    return Drawn(figure=figure, panels=tuple(panels))


def report_html(
    comparison: Comparison, figure_data: FigureData, drawn: Mapping[str, Drawn], command: str
) -> str:
    """The page. `drawn` holds the figures by name, `command` is what makes the page again."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"data_uri": _data_uri, "variable": _variable, "svg": Markup}
    template = environment.get_template("report.html.j2")
    return template.render(
        _content(comparison, figure_data),
        drawn=drawn,
        command=command,
        style=Markup((_PAGE / "style.css").read_text(encoding="utf-8")),
    )


def _variable(colour: str) -> str:
    return f"var({VARIABLES[colour]})"


def _data_uri(picture: Picture) -> str:
    return f"data:image/{picture.kind};base64,{base64.b64encode(picture.content).decode()}"


def _content(comparison: Comparison, figure_data: FigureData) -> dict[str, Any]:
    """Everything that the template shows, the figures apart."""
    primary = comparison.primary
    pairs = comparison.primary_pairs
    rows = len(comparison.rows)
    main, hidden_rows = tables.cut(main_table(comparison), rows)
    healthy, _ = tables.cut(main_table(comparison, "healthy"), rows)
    whole, _ = tables.cut(main_table(comparison, columns=comparison.metrics[:_MOST_METRICS]), rows)
    trouble, more_trouble = tables.troubled(comparison)
    outcomes = {
        outcome.replace("_", " "): count
        for outcome in OUTCOMES
        if (count := sum(run.outcome == outcome for run in comparison.runs))
    }
    commands = counted([run for run in comparison.runs if run.provenance], "command")
    return {
        "comparison": comparison,
        "version": __version__,
        "seeds_line": seeds_line(comparison),
        "last_end": tables.last_end(comparison),
        "outcomes": outcomes,
        "conclusion": comparison.conclusion,
        "exploratory": exploratory_table(comparison),
        "exploratory_legend": EXPLORATORY,
        "row_styles": {row.label: row_style(index) for index, row in enumerate(comparison.rows)},
        "marker_paths": MARKER_PATHS,
        "main": main,
        "hidden_rows": hidden_rows,
        "legend": main_legend(comparison),
        "above": lines_above(comparison.rows, comparison.shared),
        "row_legend": legend(comparison.rows),
        "pair_legend": PAIR_LEGEND,
        "whole": whole,
        "metrics": comparison.metrics[:_MOST_METRICS],
        "hidden_metrics": max(0, len(comparison.metrics) - _MOST_METRICS),
        "combinations": combinations(comparison)[:_MOST_COMBINATIONS],
        "pairs": pair_table(pairs[:_MOST_PAIRS], primary),
        "hidden_pairs": max(0, len(pairs) - _MOST_PAIRS),
        "studies": study_sections(comparison),
        "gain_legend": GAIN_LEGEND,
        "budget_legend": BUDGET_LEGEND,
        "galleries": galleries(figure_data),
        "chosen": figure_data.chosen,
        "pictures": {label: of for label, of in figure_data.pictures.items() if of},
        "picture_notes": figure_data.picture_notes,
        "costs": tables.costs(comparison),
        "analysis_sets_differ": analysis_sets_differ(comparison),
        "analysis_sets": tables.analysis_sets(comparison),
        "healthy": healthy,
        "trouble": trouble,
        "more_trouble": more_trouble,
        "left_out": left_out_lines(comparison, _MOST_LEFT_OUT),
        "commands": list(commands.items())[:_MOST_COMMANDS],
        "hidden_commands": max(0, len(commands) - _MOST_COMMANDS),
        "settings": tables.settings(comparison),
        "provenance": tables.provenance(comparison),
        "where": shown(", ".join(map(str, comparison.runs.roots))),
    }
