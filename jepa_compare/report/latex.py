"""comparison.tex: the main table for a paper (`\\usepackage{booktabs}`)."""

import re

from jepa_compare.comparison.results import Comparison
from jepa_compare.comparison.rows import legend, lines_above
from jepa_compare.report.legends import main_legend
from jepa_compare.report.tables import Grid, main_table

_SIGNS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "·": r"$\cdot$",
    "±": r"$\pm$",
    "²": r"$^2$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "…": r"\ldots{}",
}


def escape(text: str) -> str:
    """Text that LaTeX typesets as it is; a character that a plain font lacks becomes "?"."""
    text = "".join(_SIGNS.get(c, c if c.isascii() or "À" <= c <= "ÿ" else "?") for c in text)
    text = re.sub(r"(?<=[-'`?!<>,])(?=[-'`<>,])", "{}", text)  # no ligatures: -- would be a dash
    return "{}" + text if text[:1] in ("[", "*") else text  # after \\ these are an argument


def latex(comparison: Comparison) -> str:
    """A `table` environment with the main table; how to read it and the conclusion as caption."""
    grid = main_table(comparison)
    numbers = len(grid.header) - grid.left - 1
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\begin{{tabular}}{{{'l' * grid.left}{'r' * numbers}l}}",
        r"\toprule",
        *_over(grid),
        " & ".join(escape(text) for text in grid.header) + r" \\",
        r"\midrule",
    ]
    for index, cells in enumerate(grid.lines):
        if index in grid.sections:
            lines.append(r"\midrule")
        texts = [
            rf"\textbf{{{escape(text)}}}" if grid.is_strong(index, column) else escape(text)
            for column, text in enumerate(cells)
        ]
        lines.append(" & ".join(texts) + r" \\")
    said = [
        *lines_above(comparison.rows, comparison.shared),
        *legend(comparison.rows),
        main_legend(comparison),
    ]
    caption = escape(" ".join([*said, *comparison.conclusion[:1]]))
    lines += [r"\bottomrule", r"\end{tabular}", rf"\caption{{{caption}}}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _over(grid: Grid) -> list[str]:
    """The titles over groups of columns, and a rule under each."""
    cells, rules, column = [], [], 1
    for title, span in grid.groups:
        cells.append(rf"\multicolumn{{{span}}}{{c}}{{{escape(title)}}}")
        rules += [rf"\cmidrule(lr){{{column}-{column + span - 1}}}"] if title else []
        column += span
    return [" & ".join(cells) + r" \\", " ".join(rules)] if rules else []
