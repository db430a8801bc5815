"""The parts of a run that are large, read when asked for: curves, episodes, spectrum, pictures."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jepa_compare.comparison.runs import Run
from jepa_compare.comparison.summary import EVALUATION_LIMIT
from jepa_compare.runs import layout
from jepa_compare.runs.untrusted import (
    MEGABYTE,
    Damaged,
    mapping,
    number,
    open_regular,
    read_object,
    regular_file,
    shown,
)

METRICS_LIMIT = 1024 * MEGABYTE
LINE_LIMIT = MEGABYTE
_MOST_COLUMNS = 500
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class History:
    """The learning curves of one run, one row per logged step."""

    steps: Int[np.ndarray, " rows"]
    """Increasing; of a step that was logged twice (a resumed run) the later row counts."""
    columns: Mapping[str, Float[np.ndarray, " rows"]]
    """"train/loss", "aux/...", "eval/..."; NaN where a row does not carry the key."""
    skipped: int
    """Lines that could not be read."""

    def column(self, key: str) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, " k"]]:
        """(steps, values) of the rows that carry a finite value of `key`; empty if none does."""
        values = self.columns.get(key, np.full(len(self.steps), np.nan))
        there = np.isfinite(values)
        return self.steps[there], values[there]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Episode:
    """One recorded planning episode."""

    kind: str
    task: int
    success: bool
    path: Float[np.ndarray, "positions 2"]
    """Positions of the agent, (x, y) in px."""
    goal: Float[np.ndarray, " 2"]
    walls: Float[np.ndarray, "walls 4"]
    """Rectangles, (x0, y0, x1, y1) in px."""


def _lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """Each line as an object with a whole, non-negative step, or None for a damaged one.

    Blank lines are passed over. Nothing when there is no file; raises `Damaged` when it is a link,
    not a regular file, over the limit or unreadable.
    """
    file = regular_file(path, layout.METRICS)
    if file is None:
        return
    with open_regular(file, layout.METRICS, METRICS_LIMIT) as handle:
        while line := handle.readline(LINE_LIMIT):
            whole = len(line) < LINE_LIMIT or line.endswith(b"\n")
            rest = line
            while not whole and rest and not rest.endswith(b"\n"):
                rest = handle.readline(LINE_LIMIT)  # pass over the rest of a line that is too long
            if not line.isspace():
                yield _row(line) if whole else None


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        text = line.decode().strip()
        row, end = _DECODER.raw_decode(text)  # json.loads takes half as long again
    except (ValueError, RecursionError):
        return None
    if end != len(text):
        return None
    step = row.get("step") if isinstance(row, dict) else None
    return row if type(step) is int and 0 <= step < 2**63 else None


def damaged_lines(path: Path) -> int:
    """How many lines of the run's metrics cannot be read; raises `Damaged` for the whole file."""
    return sum(row is None for row in _lines(path))


def read_history(run: Run) -> History:
    """The learning curves of `run`; empty when it has none. Damaged lines are skipped."""
    rows: dict[int, dict[str, float]] = {}
    skipped = 0
    try:
        for line in _lines(run.path):
            if line is None:
                skipped += 1
                continue
            row = rows.setdefault(line.pop("step"), {})
            for key, value in line.items():
                with contextlib.suppress(Damaged):
                    row[shown(key)] = number(value)
    except Damaged:
        rows = {}
    steps = sorted(rows)
    keys = list(dict.fromkeys(key for step in steps for key in rows[step]))[:_MOST_COLUMNS]
    return History(
        steps=np.array(steps, dtype=np.int64),
        columns={key: np.array([rows[s].get(key, np.nan) for s in steps], float) for key in keys},
        skipped=skipped,
    )


def _evaluation(run: Run) -> dict[str, Any]:
    if run.evaluation is None:
        return {}
    try:
        parts = (layout.EVALUATIONS, f"{run.evaluation}.json")
        return read_object(run.path, *parts, limit=EVALUATION_LIMIT) or {}
    except Damaged:
        return {}


def read_spectrum(run: Run) -> Float[np.ndarray, " d"]:
    """Singular values of the centred latents divided by the largest; empty when not recorded."""
    values = _evaluation(run).get("spectrum")
    if not isinstance(values, list):
        return np.zeros(0)
    try:
        return np.array([number(value) for value in values], float)
    except Damaged:
        return np.zeros(0)


def read_episodes(run: Run) -> tuple[Episode, ...]:
    """Recorded planning episodes of every kind; those with a wrong shape are skipped."""
    found = []
    try:
        kinds = mapping(_evaluation(run).get("episodes"), "episodes")
    except Damaged:
        return ()
    for kind, episodes in kinds.items():
        for episode in episodes if isinstance(episodes, list) else []:
            try:
                found.append(_episode(shown(kind), episode))
            except (Damaged, TypeError, AttributeError):
                continue
    return tuple(found)


def _episode(kind: str, episode: Any) -> Episode:
    task = episode.get("task")
    success = episode.get("success")
    if type(task) is not int or type(success) is not bool:
        raise Damaged("an episode without task and success")
    return Episode(
        kind=kind,
        task=task,
        success=success,
        path=_points(episode.get("path"), 2),
        goal=_points([episode.get("goal")], 2)[0],
        walls=_points(episode.get("walls") or [], 4),
    )


def _points(value: Any, width: int) -> np.ndarray:
    points = [[number(item) for item in row] for row in value]
    if any(len(row) != width for row in points):
        raise Damaged(f"a point without {width} numbers")
    array = np.array(points, float).reshape(-1, width)
    if not np.isfinite(array).all():
        raise Damaged("a point that is not finite")
    return array


def picture(run: Run, name: str) -> Path | None:
    """figures/<name> of the run if it is a regular file that no link leads to."""
    try:
        return regular_file(run.path, layout.FIGURES, name)
    except Damaged:
        return None
