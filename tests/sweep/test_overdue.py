"""Jobs that do not come to an end, as a user meets them: ended, named, and the others run on."""

from pathlib import Path

import pytest

from jepa_compare.runs import layout
from jepa_compare.system import files
from tests.support.hanging_loss import hangs
from tests.support.runs import command, read_status, runs_of

LIMITS = ("training.stall_timeout=20", "hydra.launcher.job_timeout=120")


@pytest.mark.slow
def test_a_sweep_ends_though_a_step_never_returns_and_a_thread_lives_on(tmp_path: Path) -> None:
    result = command(
        *("-m", "sweep=s", "hydra/launcher=process", "hydra.launcher.n_jobs=3", *LIMITS),
        *hangs("python,thread,never", tmp_path / "hung"),
        *("hydra.sweep.dir=s", "evaluation.planning.kinds=[same]"),
        cwd=tmp_path,
        check=False,
        PYTHONPATH=str(Path(__file__).resolve().parents[2]),
    )
    assert result.returncode == 1
    ended = {
        files.read_json(run / layout.CONFIG)["config"]["aux_loss"]["how"]: read_status(run)
        for run in runs_of(tmp_path / "s")
    }
    assert {how: status["state"] for how, status in ended.items()} == {
        "python": "failed",
        "thread": "completed",
        "never": "completed",
    }
    assert "failed: Stalled: no progress for training.stall_timeout=20 s" in result.stderr
    assert "not complete: 1; the same command with sweep=s continues" in result.stderr
