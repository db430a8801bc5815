"""The pictures of a run: written, of the right size and content, without matplotlib's globals."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data import TwoRooms
from jepa_compare.evaluation.evaluator import Evaluator
from jepa_compare.evaluation.pictures.draw import draw_figures
from jepa_compare.evaluation.pictures.episodes import MISSED, REACHED, draw_planning
from jepa_compare.models.jepa import JEPA
from jepa_compare.runs.evaluation_records import Episode

CPU = torch.device("cpu")


@pytest.fixture
def evaluator(source: TwoRooms, few: EvaluationSettings) -> Evaluator:
    return Evaluator(source, few, CPU)


def has_colour(path: Path, colour: str) -> bool:
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return bool((np.abs(pixels - wanted).max(axis=-1) < 8).any())


def test_all_pictures_of_a_run(evaluator: Evaluator, jepa: JEPA, tmp_path: Path) -> None:
    draw_figures(evaluator, jepa, evaluator.evaluate(jepa), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "rollouts.png",
        "planning.gif",
    }
    for path in tmp_path.iterdir():
        with Image.open(path) as image:
            image.load()
            assert image.width > 100
    with Image.open(tmp_path / "planning.gif") as animation:
        frames = getattr(animation, "n_frames", 1)  # Pillow merges frames that are equal
        assert 10 < frames <= evaluator.settings.planning.steps + 1


def test_success_and_failure_differ_in_colour(tmp_path: Path) -> None:
    episode = Episode(
        task=0,
        success=True,
        steps=1,
        path=[[5.0, 5.0], [9.0, 9.0], [12.0, 9.0]],
        goal=[9.0, 9.0],
        walls=[[15.0, 0.0, 16.0, 12.0]],
    )
    missed = dataclasses.replace(episode, success=False, steps=None)
    for name, shown, colours in (
        ("reached", episode, (True, False)),
        ("missed", missed, (False, True)),
    ):
        path = tmp_path / f"{name}.png"
        draw_planning({"door": [shown], "same": []}, (32, 32), path)
        assert (has_colour(path, REACHED), has_colour(path, MISSED)) == colours


def test_latents_that_are_not_finite_and_no_episodes_draw_nothing(
    source: TwoRooms, few: EvaluationSettings, jepa: JEPA, tmp_path: Path
) -> None:
    with torch.no_grad():
        next(iter(jepa.encoder.parameters())).fill_(torch.nan)
    nothing = dataclasses.replace(few, planning=dataclasses.replace(few.planning, kinds=[]))
    evaluator = Evaluator(source, nothing, CPU)
    draw_figures(evaluator, jepa, evaluator.evaluate(jepa), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_evaluating_does_not_load_matplotlib_and_drawing_not_pyplot(tmp_path: Path) -> None:
    code = (
        "import sys; import jepa_compare.evaluation.pictures.draw;"
        "assert 'matplotlib' not in sys.modules and 'PIL' not in sys.modules;"
        "from pathlib import Path;"
        "from jepa_compare.evaluation.pictures.episodes import draw_planning;"
        "draw_planning({'door': [], 'same': []}, (32, 32), Path(sys.argv[1]) / 'planning.png');"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
