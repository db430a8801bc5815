"""The picture of rollouts: true frames above what a decoder makes of the imagined latents.

Shape legend: r trajectories, t frames, h w pixels.
"""

import io
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jepa_compare.system import files

_MOST_COLUMNS = 9
_FRAME = 96  # pixels of the picture along a frame's longer side
_GAP, _MARGIN, _LINE = 6, 62, 18
_INK, _PAPER = 0, 255
_CAPTION = "imagined: decoded from latents rolled out from step 0 under the same actions"


def draw_rollouts(
    true: Float[np.ndarray, "r t h w"], imagined: Float[np.ndarray, "r t h w"], path: Path
) -> None:
    """Frame 0 of `imagined` is decoded from the encoded first frame, the others from predictions.
    Grey values are in [0, 1]."""
    from PIL import Image, ImageDraw

    frames, height, width = true.shape[1:]
    shown = sorted({round(x) for x in np.linspace(0, frames - 1, min(frames, _MOST_COLUMNS))})
    scale = _FRAME / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    rows = [
        (label, frames_of[trajectory])
        for trajectory in range(len(true))
        for label, frames_of in (("true", true), ("imagined", imagined))
    ]
    shape = (
        _MARGIN + len(shown) * (size[0] + _GAP),
        2 * _LINE + len(rows) * (size[1] + _GAP),
    )
    picture = Image.new("L", shape, _PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((_MARGIN, 3), _CAPTION, fill=_INK)
    for column, step in enumerate(shown):
        x = _MARGIN + column * (size[0] + _GAP)
        draw.text((x, _LINE), str(step) if column else f"step {step}", fill=_INK)
        for row, (label, pictures) in enumerate(rows):
            y = 2 * _LINE + row * (size[1] + _GAP)
            if column == 0:
                draw.text((4, y + size[1] // 2 - 6), label, fill=_INK)
            grey = (pictures[step].clip(0, 1) * 255).round().astype(np.uint8)
            picture.paste(Image.fromarray(grey).resize(size, Image.Resampling.NEAREST), (x, y))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    files.write_bytes(path, buffer.getvalue())
