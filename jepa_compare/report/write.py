"""`write_comparison`: load, compare, write every output, return the text for the terminal."""

import os
import shlex
import shutil
import sys
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from jepa_compare.comparison.compare import compare
from jepa_compare.comparison.loading.load import NoRunsError, load_runs
from jepa_compare.comparison.results import Comparison
from jepa_compare.comparison.runs import Runs
from jepa_compare.report.draw import PAGE, draw_comparison
from jepa_compare.report.json_csv import comparison_record, csv_text, runs_record
from jepa_compare.report.latex import latex
from jepa_compare.report.markdown import markdown
from jepa_compare.report.terminal import plain_text, rich_text
from jepa_compare.runs import layout
from jepa_compare.runs.untrusted import shown
from jepa_compare.system import files

Format = Literal["table", "markdown", "csv", "json", "tex"]
FORMATS: tuple[Format, ...] = get_args(Format)


def write_comparison(
    paths: Sequence[str | Path],
    out: str | Path | None = None,
    *,
    metric: str | None = None,
    baseline: str | None = None,
    by: Sequence[str] | None = None,
    evaluation: str | None = None,
    effect: float | None = None,
    format: Format = "table",
    html: bool = True,
    figures: bool = True,
    open_page: bool = False,
) -> str:
    """Compare the runs at or below `paths` and write all outputs to `out`.

    `out` defaults to comparison/ in the deepest folder that holds all paths. `evaluation` names
    the one to compare by, else it is that of the end of each run. `html` and `figures`
    are the page and the pictures for a paper: drawn last, and what cannot be drawn is a line on
    standard error. `open_page` shows the page in a browser. Returns what to print: the table (with
    colours when standard output is a terminal) or the file of `format`.
    Raises NoRunsError when there is nothing to compare, ValueError for a name that does not occur,
    OSError when a file cannot be written.
    """
    runs = load_runs(*paths, evaluation=evaluation)
    if not runs.runs:
        raise NoRunsError(_nothing_found(runs))
    comparison = compare(runs, metric=metric, baseline=baseline, by=by, effect=effect)
    directory = Path(out) if out is not None else default_directory(runs.roots)
    files.below(directory, layout.FIGURES)
    for name, render in _TEXTS.items():
        files.write_bytes(directory / name, render(comparison).encode())
    options = {
        "--metric": metric,
        "--baseline": baseline,
        "--by": by and ",".join(by),
        "--evaluation": evaluation,
        "--out": out,
    }
    _draw(comparison, directory, html, figures, _command(runs.roots, options))
    if open_page:
        _open(directory)
    if format != "table":
        return _TEXTS[_FILE_OF[format]](comparison)
    page = f", with {PAGE}" if (directory / PAGE).exists() else ""
    return _for_stdout(comparison) + f"\nWritten to {directory}{page}\n"


def default_directory(roots: Sequence[Path]) -> Path:
    """comparison/ in the deepest folder that holds all `roots`. Raises Refused for a link."""
    return files.below(Path(os.path.commonpath(roots)), layout.COMPARISON)


def _command(roots: Sequence[Path], options: Mapping[str, str | Path | None]) -> str:
    given = [f"{option}={value}" for option, value in options.items() if value]
    return shown(shlex.join(["jepa-compare", "report", *map(str, roots), *given]))


def _draw(comparison: Comparison, directory: Path, html: bool, figures: bool, command: str) -> None:
    """The page and the figures; nothing that goes wrong here may lose the tables."""
    failures = []
    old = (directory / PAGE).stat().st_mtime_ns if (directory / PAGE).exists() else None
    if html or figures:
        failures = draw_comparison(
            comparison, directory, html=html, figures=figures, command=command
        )
    if old is not None and (directory / PAGE).stat().st_mtime_ns == old:
        failures.append(f"{PAGE} there is of an earlier comparison")
    for failure in failures:
        print(f"jepa-compare: not drawn: {failure}", file=sys.stderr)


def _open(directory: Path) -> None:
    page = (directory / PAGE).resolve()
    if not page.exists() or not webbrowser.open(page.as_uri()):
        print(f"jepa-compare: no browser to open {page}", file=sys.stderr)


def _json(record: Callable[[Comparison], object]) -> Callable[[Comparison], str]:
    return lambda comparison: files.to_json(record(comparison), indent=2) + "\n"


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
