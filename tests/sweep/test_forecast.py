"""What a sweep will take is said before it starts."""

import subprocess
import sys
from pathlib import Path

from jepa_compare.sweep import forecast
from jepa_compare.sweep.plan import parse_command_line
from tests.support.runs import TINY

SWEEP = ["aux_loss=vicreg,none", "seed=0,1,2", *TINY]


def test_a_dry_run_checks_and_lists_and_starts_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jepa_compare.train", "-m", "--dry-run", *SWEEP]
    command.append(f"hydra.sweep.dir={tmp_path}/multirun/mine")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "jepa_compare: 6 runs, 1 at once: about " in done.stderr
    assert "2 rows" in done.stdout
    assert done.stdout.count("  to do  ") == 6
    assert not list(tmp_path.rglob("*"))


def test_a_mistake_ends_a_dry_run_too() -> None:
    command = [sys.executable, "-m", "jepa_compare.train", "-m", "--dry-run", "training.lr=-1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "training.lr=-1.0: must be above 0" in done.stderr


def test_seeds_share_a_row_and_settings_do_not() -> None:
    jobs = parse_command_line([*SWEEP, "aux_loss.weight=0.1,0.2"], multirun=True).jobs
    assert forecast.rows(jobs) == 4
