"""Every preset and every option of `conf/` trains and is evaluated, for a few steps."""

from pathlib import Path

import pytest

from jepa_compare.config.compose import CONF_DIR
from jepa_compare.sweep.plan import parse_command_line
from jepa_compare.training import run
from tests.config.test_compose import NEEDS, OPTIONS
from tests.support.runs import read_status

FEW = (
    "tracking.mode=disabled",
    "device=cpu",
    "training.num_threads=1",
    "training.steps=3",
    "training.warmup_steps=1",
    "training.batch_size=4",
    "evaluation.trajectories=16",
    "evaluation.collapse_trajectories=8",
    "evaluation.planning.tasks=2",
    "evaluation.planning.steps=4",
    "evaluation.planning.planner.samples=8",
    "evaluation.planning.planner.elites=4",
    "evaluation.planning.planner.iterations=2",
)
PRESETS = sorted(path.stem for path in (CONF_DIR / "experiment").glob("*.yaml"))


def complete(directory: Path, overrides: list[str], *, multirun: bool) -> None:
    jobs = parse_command_line([*overrides, *FEW], multirun=multirun).jobs
    for number, job in enumerate(jobs):
        run(job.config, job.identity, directory / str(number))
        assert read_status(directory / str(number))["state"] == "completed"


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_runs(tmp_path: Path, preset: str) -> None:
    (tmp_path / "floors").mkdir()  # shared, as in a sweep
    complete(tmp_path, [f"experiment={preset}", "evaluation.figures.enabled=false"], multirun=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("group", "option"), [o for o in OPTIONS if o[0] != "experiment"], ids=lambda value: str(value)
)
def test_every_option_runs(tmp_path: Path, group: str, option: str) -> None:
    overrides = [f"{group}={option}", *NEEDS.get((group, option), [])]
    complete(tmp_path, overrides, multirun=False)
