"""What the figures and the page read from the run directories, within limits.

Ten thousand runs can be compared but not drawn: curves, spectra, episodes and pictures are read for
the first rows only, of few runs each, and up to a total size. `notes` says what was left out.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from jepa_compare.comparison.loading.history import (
    Episode,
    History,
    picture,
    read_episodes,
    read_history,
    read_spectrum,
)
from jepa_compare.comparison.results import Comparison, Row
from jepa_compare.comparison.runs import Run
from jepa_compare.comparison.scores import score, worst_scores
from jepa_compare.runs import layout
from jepa_compare.runs.untrusted import MEGABYTE
from jepa_compare.system import files

MOST_ROWS = 8
MOST_RUNS = 10
"""Of one row."""
HISTORY_LIMIT, HISTORIES_LIMIT = 64 * MEGABYTE, 192 * MEGABYTE
"""Bytes of one metrics.jsonl, and of all that are drawn."""
PICTURE_LIMIT, PICTURES_LIMIT = 2 * MEGABYTE, 8 * MEGABYTE
_LARGEST_SIDE = 6000  # pixels
_PICTURES = ("rollouts.png", "planning.gif")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Picture:
    """The content of a picture file that is what its name says."""

    name: str
    kind: Literal["png", "gif"]
    content: bytes
    width: int
    height: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FigureData:
    """By row label, for the rows that are drawn, best first."""

    rows: tuple[Row, ...]
    histories: Mapping[str, tuple[History, ...]]
    spectra: Mapping[str, tuple[Float[np.ndarray, " _"], ...]]
    chosen: Mapping[str, Run]
    """The run that stands for the row: the one with the median score."""
    episodes: Mapping[str, tuple[Episode, ...]]
    pictures: Mapping[str, tuple[Picture, ...]]
    curve_notes: tuple[str, ...]
    """What the curves leave out."""
    picture_notes: tuple[str, ...]


def read_figure_data(comparison: Comparison) -> FigureData:
    """Read what is drawn of the first 8 rows."""
    rows = comparison.rows[:MOST_ROWS]
    runs = {row.label: row.runs[:MOST_RUNS] for row in rows}
    histories, too_large = _histories(runs)
    spectra = {
        label: tuple(s for run in members if run.status and len(s := read_spectrum(run)))
        for label, members in runs.items()
    }
    chosen = {row.label: run for row in rows if (run := _median_run(comparison, row))}
    pictures, left_out = _pictures(chosen)
    of_rows = _first(len(rows), len(comparison.rows), "rows, best first")
    curve_notes = [
        of_rows,
        _first(MOST_RUNS, max(len(row.runs) for row in rows), "runs of each row"),
        f"{too_large} run(s) left out: their {layout.METRICS} is too large." if too_large else "",
    ]
    return FigureData(
        rows=rows,
        histories=histories,
        spectra=spectra,
        chosen=chosen,
        episodes={label: read_episodes(run) for label, run in chosen.items()},
        pictures=pictures,
        curve_notes=tuple(note for note in curve_notes if note),
        picture_notes=tuple(note for note in (of_rows, *left_out) if note),
    )


def _first(drawn: int, there: int, what: str) -> str:
    return f"Drawn: the first {drawn} of {there} {what}." if there > drawn else ""


def _histories(
    runs: Mapping[str, Sequence[Run]],
) -> tuple[dict[str, tuple[History, ...]], int]:
    histories: dict[str, list[History]] = {label: [] for label in runs}
    budget, skipped = HISTORIES_LIMIT, 0
    for label, run in ((label, run) for label, members in runs.items() for run in members):
        size = _size(run.path / layout.METRICS)
        if size > min(HISTORY_LIMIT, budget):
            skipped += 1
            continue
        budget -= size
        if len((history := read_history(run)).steps):
            histories[label].append(history)
    return {label: tuple(of_row) for label, of_row in histories.items()}, skipped


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _median_run(comparison: Comparison, row: Row) -> Run | None:
    """The run closest to the row's median score, the first of several; any finished one else."""
    worst = worst_scores(comparison.runs, [comparison.primary])
    scored = [(score(run, comparison.primary, "all", worst), run) for run in row.runs]
    finite = [(value, run) for value, run in scored if math.isfinite(value)]
    if not finite:
        return next((run for run in row.runs if run.status), None)
    middle = float(np.median([value for value, _ in finite]))
    return min(finite, key=lambda pair: abs(pair[0] - middle))[1]


def _pictures(chosen: Mapping[str, Run]) -> tuple[dict[str, tuple[Picture, ...]], list[str]]:
    pictures: dict[str, list[Picture]] = {label: [] for label in chosen}
    budget, refused = PICTURES_LIMIT, 0
    later = any(run.later for run in chosen.values())
    for label, run in chosen.items():
        paths = (picture(run, name) for name in _PICTURES if not run.later)
        for path in filter(None, paths):
            image = read_picture(path, min(PICTURE_LIMIT, budget))
            if image is None:
                refused += 1
                continue
            budget -= len(image.content)
            pictures[label].append(image)
    notes = [f"{refused} picture(s) left out: too large, or not a PNG or GIF."] if refused else []
    if later:
        notes.append("Pictures of runs are left out: they show the evaluation at the end of a run.")
    return {label: tuple(images) for label, images in pictures.items()}, notes


def read_picture(path: Path, limit: int) -> Picture | None:
    """The file if it is a PNG or a GIF by its content, of at most `limit` bytes and 6000 px."""
    try:
        content = files.read_bytes(path, limit)
    except OSError:
        return None
    if content.startswith(b"\x89PNG\r\n\x1a\n") and content[12:16] == b"IHDR":
        kind, layout, at = "png", ">II", 16
    elif content[:6] in (b"GIF87a", b"GIF89a"):
        kind, layout, at = "gif", "<HH", 6
    else:
        return None
    try:
        width, height = struct.unpack_from(layout, content, at)
    except struct.error:
        return None
    if not (0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE):
        return None
    return Picture(name=path.name, kind=kind, content=content, width=width, height=height)
