"""What is known to be wrong before a job starts."""

from pathlib import Path

import pytest

from jepa_compare.checks import ConfigError
from jepa_compare.sweep import preflight
from jepa_compare.sweep.plan import parse_command_line
from tests.support.runs import TINY


def test_several_jobs_of_one_directory_need_the_disk_once(tmp_path: Path) -> None:
    grid = ["aux_loss=barlow,barlow_twins", "evaluation.seed=0,1", f"hydra.sweep.dir={tmp_path}"]
    jobs = parse_command_line([*grid, *TINY], multirun=True).jobs
    assert len(jobs) == 4 and len({job.directory for job in jobs}) == 1
    (needed,) = preflight.bytes_needed(jobs).values()
    preflight.check_space(tmp_path, needed, [needed])
    with pytest.raises(ConfigError, match="the checkpoints of 1 runs need"):
        preflight.check_space(tmp_path, needed - 1, [needed])


def test_a_job_that_cannot_be_built_is_named_before_any_directory_is_made(tmp_path: Path) -> None:
    grid = ["aux_loss=vicreg", "aux_loss.std_coeff=1,-1", f"hydra.sweep.dir={tmp_path}/s"]
    jobs = parse_command_line([*grid, *TINY], multirun=True).jobs
    with pytest.raises(ConfigError, match=r"aux_loss\.std_coeff=-1"):
        preflight.check(jobs)
    assert list(tmp_path.iterdir()) == []


def test_a_batch_larger_than_the_memory_is_refused(tmp_path: Path) -> None:
    large = ["training.batch_size=100000000", f"hydra.run.dir={tmp_path}/run"]
    jobs = parse_command_line([*TINY, *large], multirun=False).jobs
    with pytest.raises(ConfigError, match=r"training\.batch_size=100000000: \d+ frames") as caught:
        preflight.check(jobs)
    assert "GB of memory; make it smaller" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    config = parse_command_line(TINY, multirun=False).jobs[0].config
    training, evaluation = config.training, config.evaluation
    least = (
        4
        * 10
        * max(training.batch_size * training.frames, evaluation.trajectories * evaluation.frames)
    )
    preflight.check_memory(config, 10, "cpu", least)
    with pytest.raises(ConfigError, match="cpu has"):
        preflight.check_memory(config, 10, "cpu", least - 1)


def test_torchrun_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = parse_command_line([f"hydra.sweep.dir={tmp_path}/s", *TINY], multirun=True).jobs
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="WORLD_SIZE=2: training in several processes"):
        preflight.check(jobs)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("WORLD_SIZE", "1")
    preflight.check(jobs)
