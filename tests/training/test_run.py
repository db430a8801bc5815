"""A run: the same bytes again, continued where it was cut, retried, and what is refused."""

import logging
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jepa_compare.latents import Batch
from jepa_compare.runs import layout
from jepa_compare.system import files
from jepa_compare.system.stall import Stalled
from jepa_compare.training import Diverged, ForeignCheckpoint, checkpoint, run
from jepa_compare.training.run import attempt, resume
from jepa_compare.training.state import TrainingState
from tests.support.failing_loss import NoLuck, fails_once
from tests.support.hanging_loss import hangs
from tests.support.runs import (
    before_step,
    built,
    command,
    cut,
    job,
    read_status,
    rows,
    train,
    training,
)


def weights(directory: Path) -> bytes:
    return (directory / layout.EXPORT).read_bytes()


def test_the_same_command_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        train(tmp_path / name, "aux_loss=sigreg")
    one, two = ((tmp_path / n / layout.METRICS).read_bytes() for n in ("one", "two"))
    assert one == two
    assert weights(tmp_path / "one") == weights(tmp_path / "two")


def test_the_first_prediction_loss_is_the_same_for_every_loss(tmp_path: Path) -> None:
    first = set()
    for loss in ("none", "vicreg", "dino"):
        train(tmp_path / loss, f"aux_loss={loss}", "training.steps=2")
        first.add(rows(tmp_path / loss)[0]["train/prediction"])
    assert len(first) == 1


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("undisturbed") / "run"
    train(directory, "aux_loss=dino")
    return directory


@pytest.mark.parametrize("step", [3, 10, 17])
def test_an_interrupted_run_continues_to_the_same_bytes(
    tmp_path: Path, undisturbed: Path, step: int
) -> None:
    cut(tmp_path / "run", step, "aux_loss=dino")
    status = read_status(tmp_path / "run")
    assert status["state"] == "interrupted" and status["step"] == step + 1
    train(tmp_path / "run", "aux_loss=dino")
    assert rows(tmp_path / "run") == rows(undisturbed)
    assert weights(tmp_path / "run") == weights(undisturbed)


def test_a_failed_run_is_retried_from_its_checkpoint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(tmp_path / "plain", "aux_loss=none")
    caplog.set_level(logging.INFO)
    train(tmp_path / "retried", *fails_once(13, tmp_path / "failed"), "training.retries=1")
    assert (tmp_path / "failed").exists()
    assert "NoLuck: no luck; continuing from the last checkpoint" in caplog.text
    assert "continuing at step 10" in caplog.text
    assert rows(tmp_path / "retried") == rows(tmp_path / "plain")


@pytest.mark.parametrize(("fails_at", "first"), [(3, 0), (13, 10)])
def test_a_retry_says_where_it_began_and_when(tmp_path: Path, fails_at: int, first: int) -> None:
    """Without a checkpoint and with one."""

    def fail() -> None:
        raise NoLuck

    with training(tmp_path / "run") as (state, context):
        before_step(state, fails_at, fail)
        with pytest.raises(NoLuck):
            attempt(state, context)
        failed = time.time()
        started = context.writer._status().started
        assert started is not None and started < failed
        again = TrainingState.build(state.config)
        resume(again, context)
        status = context.writer._status()
        assert again.step == status.step == status.first_step == first
        assert status.started is not None and failed <= status.started


def test_a_failed_run_without_retries_says_why_and_starts_over(tmp_path: Path) -> None:
    failing = fails_once(13, tmp_path / "failed")
    with pytest.raises(NoLuck):
        train(tmp_path / "run", *failing)
    status = read_status(tmp_path / "run")
    assert status["state"] == "failed"
    assert status["exception"]["message"] == "no luck"
    assert "in prepare" in status["exception"]["traceback"]
    train(tmp_path / "run", *failing)
    status = read_status(tmp_path / "run")
    assert (status["state"], status["first_step"]) == ("completed", 0)


def test_a_checkpoint_that_is_not_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Every time: neither a first run nor the one after the refusal removes it."""
    theirs = tmp_path / "run" / layout.CHECKPOINT
    theirs.parent.mkdir()
    torch.save({"somebody's": torch.ones(3)}, theirs)
    content = theirs.read_bytes()
    for _ in range(2):
        with pytest.raises(ForeignCheckpoint, match=r"^.*checkpoint\.pt is not a .*$"):
            train(tmp_path / "run")
        assert theirs.read_bytes() == content


def test_a_checkpoint_that_does_not_fit_is_not_removed(tmp_path: Path) -> None:
    """Of other code under the same hash, say: both attempts refuse it, neither starts over."""
    directory = tmp_path / "run"
    directory.mkdir()
    state = {"hash": job().identity.hash, "metrics_bytes": 0, "objective": {}}
    checkpoint.save(directory, state)
    for _ in range(2):
        with pytest.raises(ForeignCheckpoint, match=r"^.*run cannot be continued .*$"):
            train(directory)
        assert (directory / layout.CHECKPOINT).exists()
        assert read_status(directory)["exception"]["resumable"]


def test_what_is_refused_is_refused_in_one_line(tmp_path: Path) -> None:
    theirs = tmp_path / "run" / layout.CHECKPOINT
    theirs.parent.mkdir()
    torch.save({"somebody's": torch.ones(3)}, theirs)
    result = command("hydra.run.dir=run", cwd=tmp_path, check=False)
    assert result.returncode == 2
    assert (
        result.stderr == f"jepa_compare: {theirs} is not a checkpoint of jepa_compare; remove it\n"
    )
    result = command("hydra.run.dir=run", "seed=1", cwd=tmp_path, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith(f"jepa_compare: {tmp_path}/run holds another run (")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, undisturbed: Path, damage: str
) -> None:
    run_directory = tmp_path / "run"
    cut(run_directory, 17, "aux_loss=dino")
    path = run_directory / layout.CHECKPOINT
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 0xFF
    path.write_bytes(data if damage == "flipped" else data[:-1000])
    train(run_directory, "aux_loss=dino")
    assert f"{path} is damaged" in caplog.text
    assert read_status(run_directory)["first_step"] == 10
    assert (run_directory / layout.METRICS).read_bytes() == (
        undisturbed / layout.METRICS
    ).read_bytes()
    assert weights(run_directory) == weights(undisturbed)


def test_other_versions_are_named_when_a_run_is_continued(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cut(tmp_path / "run", 3)
    with training(tmp_path / "run") as (state, context):
        versions = {**state.provenance["versions"], "torch": "99.0"}
        resume(replace(state, provenance={**state.provenance, "versions": versions}), context)
    warnings = [r.getMessage() for r in caplog.records if "may differ" in r.getMessage()]
    assert len(warnings) == 1 and "versions.torch: " in warnings[0] and "-> 99.0" in warnings[0]


def test_rows_that_were_lost_are_computed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, undisturbed: Path
) -> None:
    cut(tmp_path / "run", 17, "aux_loss=dino")
    (tmp_path / "run" / layout.METRICS).write_bytes(b"")
    train(tmp_path / "run", "aux_loss=dino")
    assert "has lost rows: starting over" in caplog.text
    assert rows(tmp_path / "run") == rows(undisturbed)


def test_a_diverged_run_says_where_and_keeps_a_finite_checkpoint(tmp_path: Path) -> None:
    with (
        pytest.raises(Diverged, match="not finite at step 12"),
        training(tmp_path / "run") as (state, context),
    ):
        batch = state.batches.batch

        def poisoned(step: int) -> Batch:
            drawn = batch(step)
            if step == 12:
                drawn.obs[0, 0] = float("nan")
            return drawn

        state.batches.batch = poisoned
        attempt(state, context)
    summary = files.read_json(tmp_path / "run" / layout.SUMMARY)
    assert summary["status"] == "diverged"
    assert summary["diverged"] == {"step": 12, "term": "train/prediction"}
    assert summary["untrained"]["eval/probe_rmse"] > 0
    assert read_status(tmp_path / "run")["state"] == "failed"
    saved = checkpoint.load(tmp_path / "run", job().identity.hash, torch.device("cpu"))
    assert saved is not None and saved["step"] == 10
    assert all(v.isfinite().all() for v in saved["objective"].values() if v.is_floating_point())


def test_another_configuration_in_the_directory_is_refused(tmp_path: Path) -> None:
    train(tmp_path / "run", "training.steps=2")
    other = job("training.steps=3")
    with pytest.raises(RuntimeError, match=r"training\.steps: 2 -> 3"):
        run(other.config, other.identity, tmp_path / "run")


@pytest.mark.gpu
def test_cuda_sees_the_same_data_and_nearly_the_same_losses(tmp_path: Path) -> None:
    train(tmp_path / "cpu", "training.steps=6", "training.log_interval=1")
    train(
        tmp_path / "cuda",
        "training.steps=6",
        "training.log_interval=1",
        "device=cuda",
        "training.precision=float32",
    )
    for cpu, cuda in zip(rows(tmp_path / "cpu"), rows(tmp_path / "cuda"), strict=True):
        if "train/prediction" in cpu:
            assert cuda["train/prediction"] == pytest.approx(cpu["train/prediction"], rel=2e-2)


def test_a_step_that_never_returns_fails_the_run_and_the_next_attempt_goes_on(
    tmp_path: Path,
) -> None:
    overrides = (*hangs("python", tmp_path / "hung", at=13), "training.stall_timeout=4")
    built(*overrides)  # what is imported once takes its time
    with pytest.raises(Stalled):
        train(tmp_path / "run", *overrides)
    status = read_status(tmp_path / "run")
    assert status["state"] == "failed" and status["step"] == 13 and status["exception"]["resumable"]
    assert status["exception"]["message"] == "no progress for training.stall_timeout=4 s"
    assert "time.sleep(60)" in status["exception"]["traceback"]
    train(tmp_path / "run", *overrides)
    assert read_status(tmp_path / "run")["state"] == "completed"
    assert [row["step"] for row in rows(tmp_path / "run")] == [0, 5, 10, 15, 20]
