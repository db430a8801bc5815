"""Recorded planning episodes as small drawings: the same tasks, row by row."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from jepa_compare.comparison.loading.history import Episode
from jepa_compare.comparison.runs import Run
from jepa_compare.report.figure_data import FigureData

MOST_TASKS = 4
_MOST_POSITIONS = 400
_MOST_KINDS = 6
_PAD = 7.0  # percent of a room: a goal at its edge is whole
_ORDER = ("detour", "door", "same")


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """One episode in the coordinates of its world, y downwards as in the frames."""

    walls: tuple[tuple[float, float, float, float], ...]
    """x, y, width, height."""
    path: str
    """Until the goal was reached, or all of it, as the points of a polyline."""
    rest: str
    """What came after the goal."""
    start: tuple[float, float]
    end: tuple[float, float]
    goal: tuple[float, float]
    success: bool
    says: str
    """ "reached in 9 steps"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gallery:
    """One kind of task: a drawing per row and task."""

    kind: str
    tasks: tuple[int, ...]
    lines: tuple[tuple[str, tuple[Drawing | None, ...]], ...]
    """(row label, one drawing per task)."""
    box: tuple[float, float, float, float]
    """x, y, width, height that hold every drawing."""
    unit: float
    """Length in the world that strokes and marks are measured by."""


def galleries(figure_data: FigureData) -> list[Gallery]:
    """One per kind of task that was recorded, detours first; at most 4 tasks of each."""
    kinds = {episode.kind for episodes in figure_data.episodes.values() for episode in episodes}
    ordered = [*(k for k in _ORDER if k in kinds), *sorted(kinds.difference(_ORDER))][:_MOST_KINDS]
    return [gallery for kind in ordered if (gallery := _gallery(figure_data, kind))]


def _gallery(figure_data: FigureData, kind: str) -> Gallery | None:
    recorded = {
        label: {e.task: e for e in episodes if e.kind == kind and len(e.path)}
        for label, episodes in figure_data.episodes.items()
    }
    tasks = tuple(sorted(set().union(*recorded.values()))[:MOST_TASKS])
    drawn = [by_task[t] for by_task in recorded.values() for t in tasks if t in by_task]
    if not drawn:
        return None
    corners = np.concatenate([_corners(episode) for episode in drawn])
    (x0, y0), (x1, y1) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    side = max(x1 - x0, y1 - y0, 1e-6)
    if not math.isfinite(side):
        return None
    unit = side / 100
    if min(x1 - x0, y1 - y0) > 0.6 * side:  # about square: paths seldom touch every wall of a room
        x0, x1 = (x0 + x1 - side) / 2, (x0 + x1 + side) / 2
        y0, y1 = (y0 + y1 - side) / 2, (y0 + y1 + side) / 2
    return Gallery(
        kind=kind,
        tasks=tasks,
        lines=tuple(
            (
                label,
                tuple(_drawing(by_task.get(task), figure_data.chosen[label]) for task in tasks),
            )
            for label, by_task in recorded.items()
            if by_task
        ),
        box=_box(x0, y0, x1, y1, pad=_PAD * unit),
        unit=_short(unit),
    )


def _corners(episode: Episode) -> Float[np.ndarray, "n 2"]:
    return np.concatenate(
        [episode.path, episode.goal[None], episode.walls[:, :2], episode.walls[:, 2:]]
    )


def _box(
    x0: float, y0: float, x1: float, y1: float, pad: float = 0.0
) -> tuple[float, float, float, float]:
    x0, x1, y0, y1 = min(x0, x1) - pad, max(x0, x1) + pad, min(y0, y1) - pad, max(y0, y1) + pad
    return _short(x0), _short(y0), _short(x1 - x0), _short(y1 - y0)


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _drawing(episode: Episode | None, run: Run) -> Drawing | None:
    if episode is None:
        return None
    steps = _steps(episode, run)
    path = episode.path
    until = len(path) if steps is None else min(steps + 1, len(path))
    every = -(-len(path) // _MOST_POSITIONS)
    reached = "reached" if steps is None else f"reached in {steps} steps"
    return Drawing(
        walls=tuple(_box(*map(float, wall)) for wall in episode.walls),
        path=_polyline(path[:until], every),
        rest=_polyline(path[max(0, until - 1) :], every) if until < len(path) else "",
        start=_pair(path[0]),
        end=_pair(path[until - 1]),
        goal=_pair(episode.goal),
        success=episode.success,
        says=f"task {episode.task}: {reached if episode.success else 'missed'}",
    )


def _steps(episode: Episode, run: Run) -> int | None:
    """Environment steps until the goal was reached, from the task's row; None if unknown."""
    rows = run.tasks.get(episode.kind)
    if not episode.success or rows is None or not 0 <= episode.task < len(rows.steps):
        return None
    steps = float(rows.steps[episode.task])
    return int(steps) if 0 <= steps < len(episode.path) else None


def _pair(point: Float[np.ndarray, " 2"]) -> tuple[float, float]:
    return _short(float(point[0])), _short(float(point[1]))


def _polyline(points: Float[np.ndarray, "n 2"], every: int) -> str:
    kept: Sequence[Float[np.ndarray, " 2"]] = [*points[::every], points[-1]]
    return " ".join(f"{x:g},{y:g}" for x, y in map(_pair, kept))
