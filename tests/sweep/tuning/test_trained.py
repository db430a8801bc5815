"""Studies that are really trained, through each launcher, and one whose launcher is killed."""

import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from jepa_compare.comparison.loading.load import load_runs
from jepa_compare.comparison.tuning.selection import select
from jepa_compare.runs import layout
from tests.support.package import make_package
from tests.support.runs import command, start_command
from tests.support.studies import uses

LEAST = (
    *("-m", "hydra/sweeper=tune", "sweep=s", "tuning.trials=2", "tuning.confirm_top=1"),
    *("tuning.confirm_seeds=1", "tuning.report_seeds=1", "tuning.default_seeds=1"),
    *("tuning.report_steps=[1]", "training.steps=4", "training.warmup_steps=1"),
)
"""5 runs per loss."""
PROCESS = ("hydra/launcher=process", "hydra.launcher.n_jobs=2")


def found(sweep: Path) -> dict[str, Any]:
    """What a study came to: its runs, their numbers, what was selected."""
    runs = load_runs(sweep)
    (study,) = runs.studies.values()
    return {
        "uses": uses(sweep),
        "metrics": {run.path.name: run.metrics for run in runs},
        "selected": select(study, runs),
        "rows": json.loads((sweep / layout.COMPARISON / "comparison.json").read_text())["rows"],
    }


def test_a_study_in_one_process_ends_well_although_a_loss_diverges(tmp_path: Path) -> None:
    make_package(tmp_path)
    yaml = tmp_path / "my_lab" / "conf" / "aux_loss" / "l2.yaml"
    yaml.write_text(yaml.read_text().replace("power: 2.0", "power: 4.0"))  # which divides by zero
    theirs = ("hydra.searchpath=[pkg://my_lab.conf]", "aux_loss=none,l2")
    result = command(*LEAST, *theirs, cwd=tmp_path)
    assert "2 losses (parameters searched: none 1, l2 2), each 2 trials, 1 x 1" in result.stderr
    assert "10 runs, 1 at once" in result.stderr
    sweep = tmp_path / "multirun" / "s"
    assert len(uses(sweep)) == 10
    assert {row["label"] for row in found(sweep)["rows"]} == {"none", "l2"}
    again = command(*LEAST, *theirs, cwd=tmp_path)
    assert "10 runs (10 complete): nothing to train" in again.stderr


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_processes_that_are_killed_again_and_again_end_as_one_undisturbed(tmp_path: Path) -> None:
    """SIGKILL at random, five times in each stage at least as long as the stages last."""
    arguments = (*LEAST, "aux_loss=none,vicreg")
    one, two, killed = (tmp_path / name for name in ("one", "two", "killed"))
    for where in (one, two, killed):
        where.mkdir()
    command(*arguments, cwd=one)
    command(*arguments, *PROCESS, cwd=two)
    draws = random.Random(0)
    for _ in range(15):
        process = start_command(*arguments, *PROCESS, cwd=killed)
        deadline = time.monotonic() + draws.uniform(8, 25)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()
    command(*arguments, *PROCESS, cwd=killed)
    undisturbed = found(one / "multirun" / "s")
    for where in (two, killed):
        assert found(where / "multirun" / "s") == undisturbed
