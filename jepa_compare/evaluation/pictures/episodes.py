"""Planning episodes as one picture, a row of rooms per kind of task.

matplotlib is imported where it is used, and through its objects: there is no global state, so
runs that share a process do not draw into each other's figures.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jepa_compare.runs.evaluation_records import Episode
from jepa_compare.system import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Blue and vermillion of Okabe and Ito's palette, which the colour-blind can tell apart; line style
# and words say the same again.
REACHED, MISSED, WALL = "#0072B2", "#D55E00", "#9a9a9a"
_SMALL = 9  # points; legible where a page shows the picture at two thirds
_START: dict[str, Any] = {
    "marker": "o",
    "color": "black",
    "markerfacecolor": "white",
    "markersize": 5,
    "linestyle": "",
}
_GOAL: dict[str, Any] = {"marker": "*", "color": "black", "markersize": 8, "linestyle": ""}
_TO_GOAL: dict[str, Any] = {"marker": ".", "markersize": 2.5, "linestyle": "-"}
_ASTRAY: dict[str, Any] = {"marker": ".", "markersize": 2.5, "linestyle": ":"}
_AFTERWARDS: dict[str, Any] = {"linewidth": 0.8, "alpha": 0.35}


def draw_planning(
    episodes: Mapping[str, Sequence[Episode]], size: tuple[int, int], path: Path
) -> None:
    """The recorded episodes, a row per kind (or whatever names the rows), in rooms of `size`
    (width, height) px.

    `episodes` as in evaluations/<hash>.json.
    """
    from matplotlib.figure import Figure

    columns = max(1, *(len(row) for row in episodes.values()))
    size_inches = (1.5 * columns + 0.4, 1.75 * len(episodes) + 0.5)
    figure = Figure(figsize=size_inches, layout="constrained")
    grid = figure.subplots(len(episodes), columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for row, (kind, recorded) in zip(grid, episodes.items(), strict=True):
        for axes, episode in zip(row, recorded, strict=False):
            _draw_episode(axes, episode, size)
        row[0].text(
            -0.06, 0.5, kind, transform=row[0].transAxes, rotation=90, va="center", ha="right"
        )
    outcomes = {episode.success for recorded in episodes.values() for episode in recorded}
    _explain(figure, size, outcomes)
    _save(figure, path)


def _draw_episode(axes: "Axes", episode: Episode, size: tuple[int, int]) -> None:
    from matplotlib.patches import Rectangle

    for x0, y0, x1, y1 in episode.walls:
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, color=WALL, linewidth=0))
    x, y = np.array(episode.path).T
    reached = episode.success
    colour = REACHED if reached else MISSED
    until = len(x) if episode.steps is None else episode.steps + 1
    axes.plot(x, y, color=colour, **_AFTERWARDS)
    axes.plot(x[:until], y[:until], color=colour, **(_TO_GOAL if reached else _ASTRAY))
    axes.plot(x[0], y[0], **_START)
    axes.plot(x[-1], y[-1], "o" if reached else "X", color=colour, markersize=5)
    axes.plot(*episode.goal, **_GOAL)
    width, height = size
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)  # y points down, as in the frames
    axes.set_aspect("equal")
    axes.set_axis_on()
    axes.set_xticks([])
    axes.set_yticks([])
    result = f"reached in {episode.steps}" if reached else "missed"
    axes.set_title(f"{episode.task}: {result}", fontsize=_SMALL, color=colour)


def _explain(figure: "Figure", size: tuple[int, int], outcomes: set[bool]) -> None:
    """The legend of planning episodes with these outcomes, below them."""
    from matplotlib.lines import Line2D

    shown = {"start": _START, "goal": _GOAL}
    if True in outcomes:
        shown["path to the goal"] = {"color": REACHED, **_TO_GOAL}
        shown["afterwards"] = {"color": REACHED, **_AFTERWARDS}
    if False in outcomes:
        shown["missed"] = {"color": MISSED, **_ASTRAY}
    figure.legend(
        handles=[Line2D([], [], label=label, **style) for label, style in shown.items()],
        loc="outside lower center",
        ncols=len(shown),
        frameon=False,
        fontsize=_SMALL,
        title=f"Rooms of {size[0]} x {size[1]} px. Number: the task, and steps to the goal.",
        title_fontsize=_SMALL,
    )


def _save(figure: "Figure", path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    files.write_bytes(path, buffer.getvalue())
