"""A GIF of a few planning episodes, side by side."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jepa_compare.evaluation.pictures.episodes import MISSED, REACHED, WALL
from jepa_compare.runs.evaluation_records import Episode
from jepa_compare.system import files

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_PANEL = 150  # pixels of the picture, width and height of a room
_GAP = 8
_CAPTION = 16
_MOST_FRAMES = 60
_FRAME_MS, _LAST_FRAME_MS = 120, 1500
_INK = "#000000"


def animate_planning(
    episodes: Mapping[str, Sequence[Episode]],
    size: tuple[int, int],
    count: int,
    path: Path,
) -> None:
    """The first `count` recorded episodes of each kind, a row per kind, in rooms of `size` (width,
    height) px. Writes nothing if there is none."""
    from PIL import Image, ImageDraw

    rows = [(kind, list(recorded[:count])) for kind, recorded in episodes.items()]
    columns = max((len(recorded) for _, recorded in rows), default=0)
    if columns == 0:
        return
    steps = max(len(episode.path) for _, recorded in rows for episode in recorded)
    stride = -(-steps // _MOST_FRAMES)
    shape = (
        columns * (_PANEL + _GAP) + _GAP,
        len(rows) * (_PANEL + _CAPTION + _GAP) + _GAP,
    )
    frames = []
    for step in [*range(0, steps - 1, stride), steps - 1]:
        image = Image.new("RGB", shape, "white")
        draw = ImageDraw.Draw(image)
        for row, (kind, recorded) in enumerate(rows):
            for column, episode in enumerate(recorded):
                corner = (
                    _GAP + column * (_PANEL + _GAP),
                    _GAP + row * (_PANEL + _CAPTION + _GAP),
                )
                _draw_panel(draw, corner, kind, episode, step, size)
        frames.append(image)
    buffer = io.BytesIO()
    durations = [_FRAME_MS] * (len(frames) - 1) + [_LAST_FRAME_MS]
    frames[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=0,
    )
    files.write_bytes(path, buffer.getvalue())


def _draw_panel(
    draw: "ImageDraw",
    corner: tuple[int, int],
    kind: str,
    episode: Episode,
    step: int,
    size: tuple[int, int],
) -> None:
    left, top = corner[0], corner[1] + _CAPTION
    scale = _PANEL / max(size)

    def place(point: Sequence[float]) -> tuple[float, float]:
        return left + (point[0] + 0.5) * scale, top + (point[1] + 0.5) * scale

    def disc(point: Sequence[float], radius: float) -> tuple[float, float, float, float]:
        x, y = place(point)
        return x - radius, y - radius, x + radius, y + radius

    path, goal = episode.path, episode.goal
    ended = step >= len(path) - 1
    colour = REACHED if episode.success else MISSED
    result = f": {'reached' if episode.success else 'missed'}" if ended else ""
    caption = f"{kind} {episode.task}{result}"
    draw.text((left, corner[1]), caption, fill=colour if ended else _INK)
    for wall in episode.walls:
        draw.rectangle((*place(wall[:2]), *place(wall[2:])), fill=WALL)
    draw.rectangle((left, top, left + _PANEL, top + _PANEL), outline=_INK)
    draw.ellipse(disc(goal, 6), outline=_INK, width=2)
    draw.ellipse(disc(goal, 1.5), fill=_INK)
    walked = [place(point) for point in path[: step + 1]]
    if len(walked) > 1:
        draw.line(walked, fill=colour, width=2)
    draw.ellipse(disc(path[min(step, len(path) - 1)], 4), fill=colour)
