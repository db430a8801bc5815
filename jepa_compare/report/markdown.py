"""comparison.md: the comparison for a README, an issue, a lab book."""

import re

from jepa_compare.comparison.results import Comparison
from jepa_compare.comparison.rows import legend, lines_above
from jepa_compare.report.legends import EXPLORATORY, PAIR_LEGEND, main_legend, seeds_line
from jepa_compare.report.tables import (
    Grid,
    analysis_sets_differ,
    combinations,
    exploratory_table,
    left_out_lines,
    main_table,
    pair_table,
    provenance_table,
)
from jepa_compare.report.tuning import (
    BUDGET_LEGEND,
    GAIN_LEGEND,
    answers,
    budget_table,
    gain_table,
    protocol,
    settings_table,
)

_SPECIAL = re.compile(r"[\\`*_\[\]|~$#@]|(?<=:)//|www\.")


def escape(text: str) -> str:
    """Text that Markdown and the HTML inside it show as it is."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\g<0>", text)


def markdown(comparison: Comparison) -> str:
    """The whole document: conclusion, tables, pairs, warnings, what was left out, provenance."""
    primary = comparison.primary
    parts = [f"# Comparison by {escape(primary.label)}", seeds_line(comparison) + "."]
    parts.append("\n".join(f"- {escape(sentence)}" for sentence in comparison.conclusion))
    parts += ["## All runs", *map(escape, lines_above(comparison.rows, comparison.shared))]
    parts.append(table(main_table(comparison)))
    parts += [
        "\n".join(f"- {escape(line)}" for line in legend(comparison.rows)),
        main_legend(comparison),
    ]
    if analysis_sets_differ(comparison):
        parts += ["## Healthy runs only", table(main_table(comparison, "healthy"))]
    for combination in combinations(comparison):
        parts += [f"## {escape(combination.title)}", escape(combination.conclusion)]
        parts.append(table(combination.grid))
    pairs = comparison.primary_pairs
    if pairs:
        parts += [
            f"## Paired differences in {escape(primary.label)}",
            table(pair_table(pairs, primary)),
            PAIR_LEGEND,
        ]
    for tuning in comparison.tuning:
        parts += ["## Tuning", escape(protocol(tuning))]
        parts += [table(gain_table(tuning)), GAIN_LEGEND]
        parts += [f"{what}. {escape(sentence)}" for what, sentence in answers(tuning)]
        parts += [table(budget_table(tuning)), BUDGET_LEGEND, table(settings_table(tuning))]
    other = exploratory_table(comparison)
    if other.lines:
        parts += ["## Exploratory: other downstream metrics", table(other), EXPLORATORY]
    if comparison.warnings:
        parts += ["## Warnings", "\n".join(f"- {escape(text)}" for text in comparison.warnings)]
    left_out = left_out_lines(comparison)
    if left_out:
        parts += ["## Left out", "\n".join(f"- {escape(line)}" for line in left_out)]
    if comparison.provenance:
        parts += ["## Provenance", table(provenance_table(comparison, comparison.provenance))]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(grid: Grid) -> str:
    """A grid as a Markdown table; numbers to the right."""
    last = len(grid.header) - 1
    rule = ["---:" if grid.left <= index < last else "---" for index in range(len(grid.header))]
    lines = [[escape(title) for title in grid.header], rule]
    for index, cells in enumerate(grid.lines):
        marks = ["**" * grid.is_strong(index, column) for column in range(len(cells))]
        lines.append([f"{m}{escape(text)}{m}" for m, text in zip(marks, cells, strict=True)])
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
