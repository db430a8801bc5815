"""`write_comparison`: load, compare, write every output, return the text for the terminal."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

from jepa_compare import run_dir
from jepa_compare.comparison.compare import compare
from jepa_compare.comparison.findings import Comparison
from jepa_compare.comparison.latex import latex
from jepa_compare.comparison.load import NoRunsError, load_runs
from jepa_compare.comparison.markdown import markdown
from jepa_compare.comparison.reader import shown
from jepa_compare.comparison.records import comparison_record, csv_text, runs_record
from jepa_compare.comparison.runs import Runs
from jepa_compare.comparison.terminal import plain_text, rich_text

Format = Literal["table", "markdown", "csv", "json", "tex"]
FORMATS: tuple[Format, ...] = get_args(Format)


def write_comparison(
    paths: Sequence[str | Path],
    out: str | Path | None = None,
    *,
    metric: str | None = None,
    baseline: str | None = None,
    by: Sequence[str] | None = None,
    format: Format = "table",
) -> str:
    """Compare the runs at or below `paths` and write all outputs to `out`.

    `out` defaults to comparison/ in the deepest folder that holds all paths. Returns what to
    print: the table (with colours when standard output is a terminal) or the file of `format`.
    Raises NoRunsError when there is nothing to compare, ValueError for a name that does not occur,
    OSError when a file cannot be written.
    """
    runs = load_runs(*paths)
    if not runs.runs:
        raise NoRunsError(_nothing_found(runs))
    comparison = compare(runs, metric=metric, baseline=baseline, by=by)
    directory = Path(out) if out is not None else default_directory(runs.roots)
    for name, render in _TEXTS.items():
        run_dir.write_bytes(directory / name, render(comparison).encode())
    if format != "table":
        return _TEXTS[_FILE_OF[format]](comparison)
    return _for_stdout(comparison) + f"\nWritten to {directory}\n"


def default_directory(roots: Sequence[Path]) -> Path:
    """comparison/ in the deepest folder that holds all `roots`."""
    return Path(os.path.commonpath(roots)) / run_dir.COMPARISON


def _json(record: Callable[[Comparison], object]) -> Callable[[Comparison], str]:
    return lambda comparison: run_dir.to_json(record(comparison), indent=2) + "\n"


_TEXTS: dict[str, Callable[[Comparison], str]] = {
    "comparison.md": markdown,
    "comparison.csv": csv_text,
    "comparison.json": _json(comparison_record),
    "comparison.tex": latex,
    "experiment_comparison_results.json": _json(runs_record),
    "comparison_summary.txt": lambda comparison: plain_text(comparison, whole=True),
}
_FILE_OF: dict[Format, str] = {
    "markdown": "comparison.md",
    "csv": "comparison.csv",
    "json": "comparison.json",
    "tex": "comparison.tex",
}


def _for_stdout(comparison: Comparison) -> str:
    if not sys.stdout.isatty():
        return plain_text(comparison)
    width = shutil.get_terminal_size().columns
    return rich_text(comparison, width, colour="NO_COLOR" not in os.environ)


def _nothing_found(runs: Runs) -> str:
    where = shown(", ".join(map(str, runs.roots)))
    lost = [item for item in runs.left_out if item.what == "run"]
    if not lost:
        return f"no run found in {where}"
    more = f" ({len(lost)} such)" if len(lost) > 1 else ""
    return f"no readable run in {where}; {shown(str(lost[0].path))}: {lost[0].reason}{more}"
