"""The comparison as text for a terminal (rich) or a pipe, a log, a file (plain)."""

import io

from jepa_compare.comparison.results import Comparison
from jepa_compare.comparison.rows import legend, lines_above
from jepa_compare.report.legends import main_legend, seeds_line
from jepa_compare.report.tables import (
    Grid,
    analysis_sets_differ,
    combinations,
    first_lines,
    left_out_lines,
    main_columns,
    main_table,
)
from jepa_compare.report.tuning import (
    budget_table,
    gain_table,
    protocol,
    settings_table,
    short_table,
)

_MOST_PAIRS = 15
_MOST_WARNINGS = 20
_MOST_LEFT_OUT = 10


def plain_text(comparison: Comparison, *, whole: bool = False) -> str:
    """Conclusion, table, pairs, warnings, without colour and without a limit to the line's length.

    `whole` adds the table of healthy runs and everything that was left out.
    """
    pairs = comparison.primary_pairs
    most = len(pairs) if whole else _MOST_PAIRS
    blocks = [
        _heading(comparison),
        "\n".join(comparison.conclusion if whole else comparison.conclusion[:3]),
        "\n".join(lines_above(comparison.rows, comparison.shared)),
        "\n".join(
            [aligned(main_table(comparison)), *legend(comparison.rows), main_legend(comparison)]
        ),
    ]
    if whole and analysis_sets_differ(comparison):
        blocks.append("Healthy runs only\n" + aligned(main_table(comparison, "healthy")))
    for combination in combinations(comparison) if whole else ():
        blocks.append(f"{combination.title}\n{combination.conclusion}\n{aligned(combination.grid)}")
    blocks.append("\n".join(_pair_lines(comparison, most)))
    for tuning in comparison.tuning:
        tables = [gain_table(tuning), budget_table(tuning), settings_table(tuning)]
        of_study = tables if whole else [short_table(tuning)]
        blocks += [f"Tuning\n{protocol(tuning)}", *map(aligned, of_study)]
    blocks.append("\n".join(_warning_lines(comparison, None if whole else _MOST_WARNINGS)))
    left_out = left_out_lines(comparison, None if whole else _MOST_LEFT_OUT)
    if left_out:
        blocks.append("\n  ".join(["Left out", *left_out]))
    return "\n\n".join(block for block in blocks if block) + "\n"


def rich_text(comparison: Comparison, width: int, *, colour: bool = True) -> str:
    """The same for a terminal of `width` characters, with rules and colours.

    Every text is given to rich as `Text`, never as markup.
    """
    from rich.box import SIMPLE
    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text

    grid = _fitting(comparison, width)
    table = Table(box=SIMPLE, pad_edge=False, header_style="bold")
    over = [text for title, span in grid.groups for text in (title, *[""] * (span - 1))]
    for index, title in enumerate(grid.header):
        number = grid.left <= index < len(grid.header) - 1
        table.add_column(
            Text(f"{over[index]}\n{title}"), justify="right" if number else "left", overflow="fold"
        )
    for index, line in enumerate(grid.lines):
        if index in grid.sections:
            table.add_section()
        reference = bool(grid.sections) and index >= grid.sections[0]
        style = "bold green" if index in grid.strong else "dim" if reference else ""
        table.add_row(*(Text(text, style=style or _colour(text)) for text in line))
    warnings = [Text(line, "yellow") for line in _warning_lines(comparison, _MOST_WARNINGS)]
    left_out = [Text(f"  {line}", "dim") for line in left_out_lines(comparison, _MOST_LEFT_OUT)]
    parts = [
        Text(_heading(comparison), style="bold"),
        Text(),
        *(Text(sentence) for sentence in comparison.conclusion[:3]),
        Text(),
        *(Text(line) for line in lines_above(comparison.rows, comparison.shared)),
        table,
        *(Text(line) for line in legend(comparison.rows)),
        Text(main_legend(comparison), style="dim"),
        Text(),
        *(Text(line) for line in _pair_lines(comparison, _MOST_PAIRS)),
        *(Text(f"\n{line}") for line in _tuning_lines(comparison, width)),
        *([Text(), *warnings] if warnings else []),
        *([Text(), Text("Left out"), *left_out] if left_out else []),
    ]
    console = Console(
        file=io.StringIO(), width=width, force_terminal=True, no_color=not colour, highlight=False
    )
    console.print(Group(*parts))
    stream = console.file
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


def _fitting(comparison: Comparison, width: int) -> Grid:
    """The main table with as many columns, from the left, as fit beside the outcomes."""
    metrics = main_columns(comparison)
    grid = main_table(comparison, columns=metrics)
    while len(metrics) > 1 and len(aligned(grid).splitlines()[1]) + 24 > width:
        metrics = metrics[:-1]
        grid = main_table(comparison, columns=metrics)
    return grid


def _heading(comparison: Comparison) -> str:
    return f"Comparison by {comparison.primary.label}: {seeds_line(comparison)}"


def _colour(text: str) -> str:
    """Red for what did not end well; only the column of outcomes contains these words."""
    bad = ("collapse", "no better", "failed", "diverged", "interrupted")
    return "red" if any(word in text for word in bad) else ""


def _pair_lines(comparison: Comparison, most: int) -> list[str]:
    """The sentences of the primary metric's pairs, separable ones first."""
    pairs = comparison.primary_pairs
    ordered = sorted(pairs, key=lambda pair: (not pair.separable, bool(pair.note)))
    sentences = [pair.sentence for pair in ordered]
    return [f"- {line}" for line in first_lines(sentences, most, "more pairs, in the files")]


def _tuning_lines(comparison: Comparison, width: int) -> list[str]:
    """What each study did, and its short table as wide as fits."""
    texts = ((protocol(t), aligned(short_table(t, width))) for t in comparison.tuning)
    return [f"Tuning\n{said}\n{table}" for said, table in texts]


def _warning_lines(comparison: Comparison, most: int | None) -> list[str]:
    lines = first_lines(comparison.warnings, most, "more warnings, in the files")
    return [f"! {line}" for line in lines]


def aligned(grid: Grid) -> str:
    """A grid as text in columns."""
    widths = [max(map(len, column)) for column in zip(grid.header, *grid.lines, strict=True)]

    def line(cells: tuple[str, ...]) -> str:
        padded = [
            text.rjust(width) if grid.left <= index < len(widths) - 1 else text.ljust(width)
            for index, (text, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(padded).rstrip()

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    lines = [*_group_line(grid, widths), line(grid.header), rule]
    for index, cells in enumerate(grid.lines):
        if index in grid.sections:
            lines.append(rule)
        lines.append(line(cells))
    return "\n".join(lines)


def _group_line(grid: Grid, widths: list[int]) -> list[str]:
    """The titles over groups of columns, each drawn out to its group's width."""
    parts, column = [], 0
    for title, span in grid.groups:
        width = sum(widths[column : column + span]) + 2 * (span - 1)
        parts.append(f"{title} ".ljust(width, "-")[:width] if title else " " * width)
        column += span
    return ["  ".join(parts).rstrip()] if grid.groups else []
