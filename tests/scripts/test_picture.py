"""The README's pictures are drawn by the commands that their script names."""

import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests.support.runs import train

ROOT = Path(__file__).parents[2]


def test_the_pictures_are_drawn_and_one_moves(tmp_path: Path) -> None:
    runs = [tmp_path / "vicreg", tmp_path / "none"]
    for run in runs:
        train(run, f"aux_loss={run.name}", "training.steps=2", "evaluation.planning.kinds=[detour]")
    for what, given, name in (
        ("world", [], "world.png"),
        ("runs", runs, "runs.png"),
        ("runs", runs, "runs.gif"),
    ):
        path = tmp_path / name
        line = [sys.executable, "scripts/picture.py", what, str(path), *map(str, given)]
        subprocess.run(line, cwd=ROOT, check=True, capture_output=True)
        with Image.open(path) as image:
            image.load()
            assert image.width > 300
            assert (getattr(image, "n_frames", 1) > 1) == (path.suffix == ".gif")
