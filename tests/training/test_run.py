"""A run: its directory, its numbers, what stays equal, what happens when it goes wrong."""

import importlib
import logging
import os
import pkgutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import jepa_compare.training.run as train_module
from jepa_compare import build
from jepa_compare.config.compose import CONF_DIR
from jepa_compare.export import NoSuchRun, load_run
from jepa_compare.latents import Batch
from jepa_compare.rng import generator
from jepa_compare.runs import layout
from jepa_compare.runs.writer import read_status
from jepa_compare.system import files
from jepa_compare.system.interrupts import Interrupted
from jepa_compare.training import checkpoint
from jepa_compare.training.run import Diverged, learning_rate, run
from tests.support.runs import command, job, rows, train, training

LOSSES = sorted(p.stem for p in (CONF_DIR / "aux_loss").glob("*.yaml") if p.stem != "barlow")


def weights(directory: Path) -> bytes:
    return (directory / layout.EXPORT).read_bytes()


def test_the_run_directory_holds_what_the_contract_says(tmp_path: Path) -> None:
    summary = train(tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {
        layout.CONFIG,
        layout.STATUS,
        layout.METRICS,
        layout.CHECKPOINT,
        layout.CHECKPOINT_PREVIOUS,
        layout.EXPORT,
        layout.EVALUATIONS,
        layout.FLOORS,
        layout.SUMMARY,
    }
    assert read_status(tmp_path / "run")["state"] == "completed"
    assert summary["status"] in ("healthy", "dimensional_collapse", "complete_collapse")
    assert summary["parameters"]["encoder"] == 150_432
    assert set(summary["floors"]) == {
        "random",
        "straight_line",
        "door_script",
        "oracle",
        "untrained",
    }
    steps = [row["step"] for row in rows(tmp_path / "run")]
    assert steps == sorted(set(steps)) and steps[0] == 0 and steps[-1] == 20
    first = rows(tmp_path / "run")[0]
    for key in ("train/loss", "train/gradient_prediction", "train/gradient_aux", "eval/spread"):
        assert key in first


def test_the_same_command_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        train(tmp_path / name, "aux_loss=sigreg")
    one, two = ((tmp_path / n / layout.METRICS).read_bytes() for n in ("one", "two"))
    assert one == two
    assert weights(tmp_path / "one") == weights(tmp_path / "two")


def start_of(loss: str, *overrides: str) -> tuple[bytes, ...]:
    """Initial weights, first batches and evaluation data of a run, as bytes."""
    config = job(f"aux_loss={loss}", *overrides).config
    source = build.build_source(config)
    aux_loss = build.build_aux_loss(config)
    model = build.build_model(config, source)
    aux_loss.prepare(0, 0.0, generator(config.seed, "aux_loss", 0))
    parts = [
        p.detach().numpy().tobytes()
        for p in (*model.encoder.parameters(), *model.predictor.parameters())
    ]
    for step in (0, 7):
        batch = source.sample(generator(config.seed, "data", step), 4, 8, torch.device("cpu"))
        parts += [batch.obs.numpy().tobytes(), batch.actions.numpy().tobytes()]  # pyright: ignore
    from jepa_compare.evaluation.held_out import sample_held_out

    held_out = sample_held_out(source, config.evaluation, torch.device("cpu"))
    parts += [batch.obs.numpy().tobytes() for batch in (held_out.fit, *held_out.sets)]
    assert source.task_suite is not None
    draw = generator(0, "evaluation/detour")
    tasks = source.task_suite.sample(draw, "detour", 5, torch.device("cpu"))
    return (*parts, *(t.numpy().tobytes() for t in (tasks.start, tasks.goal)))


def test_the_loss_changes_neither_weights_nor_batches_nor_evaluation() -> None:
    reference = start_of("none")
    for loss in LOSSES:
        assert start_of(loss) == reference, loss
    assert start_of("none", "seed=1")[0] != reference[0]


def test_the_first_prediction_loss_is_the_same_for_every_loss(tmp_path: Path) -> None:
    first = set()
    for loss in ("none", "vicreg", "dino"):
        train(tmp_path / loss, f"aux_loss={loss}", "training.steps=2")
        first.add(rows(tmp_path / loss)[0]["train/prediction"])
    assert len(first) == 1


def test_training_sees_neither_labels_nor_reward(tmp_path: Path) -> None:
    """Through the loop itself, on a source that gives both; what is recorded is what the objective
    is called with."""
    seen: list[Batch] = []
    source = "data._target_=tests.support.rewarded.Rewarded"
    with training(tmp_path / "run", source, "training.steps=3") as run:
        given = run.batches.batch(0)
        assert given.labels and given.reward is not None
        run.objective.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        run.run()
    assert len(seen) == 3
    assert all(not batch.labels and batch.reward is None for batch in seen)
    assert torch.equal(seen[0].obs, given.obs)


def test_learning_rate_warms_up_and_ends_at_its_fraction() -> None:
    config = job("training.steps=100", "training.warmup_steps=10").config
    rates = [learning_rate(step, config) for step in range(100)]
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) == rates[10] == pytest.approx(1e-3)
    assert rates[99] == pytest.approx(0.05e-3, rel=0.02)


def test_an_exported_run_is_loaded_by_whoever_wants_to_use_it(tmp_path: Path) -> None:
    train(tmp_path / "run")
    encoder, predictor = load_run(tmp_path / "run")
    z = encoder(torch.rand(3, 1, 32, 32))
    assert predictor.rollout(z, torch.zeros(3, 2, 2), 2).shape == (3, 2, 128)
    state = checkpoint.load(tmp_path / "run", job().identity["hash"], torch.device("cpu"))
    assert state is not None
    trained = state["objective"]["model.encoder.body.0.weight"]
    assert torch.equal(encoder.body[0].weight, trained)  # pyright: ignore
    (tmp_path / "run" / layout.EXPORT).unlink()
    with pytest.raises(NoSuchRun, match="did not finish"):
        load_run(tmp_path / "run")


class Boom(Exception):
    pass


def interrupt_at(step: int, how: Callable[[], None]) -> Callable[..., Any]:
    """A stand-in for `optimisation_step` in which something happens at `step`, once."""
    real = train_module.Training.optimisation_step
    fired = []

    def stand_in(self: Any, *arguments: Any) -> Any:
        if self.step == step and not fired:
            fired.append(True)
            how()
        return real(self, *arguments)

    return stand_in


def raise_boom() -> None:
    raise Boom("no luck")


def ask_to_leave() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("undisturbed") / "run"
    train(directory, "aux_loss=dino")
    return directory


@pytest.mark.parametrize("step", [3, 10, 17])
def test_an_interrupted_run_continues_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Path, step: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(train_module.Training, "optimisation_step", interrupt_at(step, ask_to_leave))
        with pytest.raises(Interrupted):
            train(tmp_path / "run", "aux_loss=dino")
    status = read_status(tmp_path / "run")
    assert status["state"] == "interrupted" and status["step"] == step + 1
    train(tmp_path / "run", "aux_loss=dino")
    assert rows(tmp_path / "run") == rows(undisturbed)
    assert weights(tmp_path / "run") == weights(undisturbed)


def test_a_failed_run_is_retried_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    train(tmp_path / "plain")
    monkeypatch.setattr(train_module.Training, "optimisation_step", interrupt_at(13, raise_boom))
    caplog.set_level(logging.INFO)
    train(tmp_path / "retried", "training.retries=1")
    assert "continuing at step 10" in caplog.text
    assert rows(tmp_path / "retried") == rows(tmp_path / "plain")


@pytest.mark.parametrize(("fails_at", "first"), [(3, 0), (13, 10)])
def test_a_retry_says_where_it_began_and_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int, first: int
) -> None:
    """Without a checkpoint and with one."""
    seen, failed = [], []
    restore = train_module.Training.restore

    def boom() -> None:
        failed.append(time.time())
        raise Boom("no luck")

    def restored(training: train_module.Training) -> None:
        restore(training)
        status = training.writer._status()
        seen.append((status["step"], status["first_step"], status["started"]))

    monkeypatch.setattr(train_module.Training, "optimisation_step", interrupt_at(fails_at, boom))
    monkeypatch.setattr(train_module.Training, "restore", restored)
    train(tmp_path / "run", "training.retries=1")
    (*_, started), (step, first_step, again) = seen
    assert (step, first_step) == (first, first)
    assert started < failed[0] <= again


def test_a_failed_run_without_retries_says_why_and_starts_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(train_module.Training, "optimisation_step", interrupt_at(13, raise_boom))
        with pytest.raises(Boom):
            train(tmp_path / "run")
    status = read_status(tmp_path / "run")
    assert status["state"] == "failed"
    assert status["exception"]["message"] == "no luck"
    assert "raise_boom" in status["exception"]["traceback"]
    train(tmp_path / "run")
    assert read_status(tmp_path / "run")["state"] == "completed"


def test_a_full_disk_while_checkpointing_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = checkpoint.save, []

    def full(directory: Path, state: Any) -> None:
        calls.append(state["step"])
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(directory, state)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", full)
        with pytest.raises(OSError, match="No space left"):
            train(tmp_path / "run")
    status = read_status(tmp_path / "run")
    assert status["state"] == "failed" and status["exception"]["resumable"]
    train(tmp_path / "run")
    train(tmp_path / "plain")
    assert rows(tmp_path / "run") == rows(tmp_path / "plain")


def test_a_checkpoint_that_is_not_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Every time: neither a first run nor the one after the refusal removes it."""
    theirs = tmp_path / "run" / layout.CHECKPOINT
    theirs.parent.mkdir()
    torch.save({"somebody's": torch.ones(3)}, theirs)
    content = theirs.read_bytes()
    for _ in range(2):
        with pytest.raises(checkpoint.ForeignCheckpoint, match=r"^.*checkpoint\.pt is not a .*$"):
            train(tmp_path / "run")
        assert theirs.read_bytes() == content


def test_a_checkpoint_that_does_not_fit_is_not_removed(tmp_path: Path) -> None:
    """Of other code under the same hash, say: both attempts refuse it, neither starts over."""
    directory = tmp_path / "run"
    directory.mkdir()
    state = {"hash": job().identity["hash"], "metrics_bytes": 0, "objective": {}}
    checkpoint.save(directory, state)
    for _ in range(2):
        with pytest.raises(checkpoint.ForeignCheckpoint, match=r"^.*run cannot be continued .*$"):
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
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    undisturbed: Path,
    damage: str,
) -> None:
    run_directory = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(train_module.Training, "optimisation_step", interrupt_at(17, ask_to_leave))
        with pytest.raises(Interrupted):
            train(run_directory, "aux_loss=dino")
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
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(train_module.Training, "optimisation_step", interrupt_at(3, ask_to_leave))
        with pytest.raises(Interrupted):
            train(tmp_path / "run")
    real = train_module.provenance
    versions = {**real(torch.device("cpu"))["versions"], "torch": "99.0"}
    monkeypatch.setattr(train_module, "provenance", lambda d: real(d) | {"versions": versions})
    train(tmp_path / "run")
    warnings = [r.getMessage() for r in caplog.records if "may differ" in r.getMessage()]
    assert len(warnings) == 1 and "versions.torch: " in warnings[0] and "-> 99.0" in warnings[0]


def test_rows_that_were_lost_are_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(train_module.Training, "optimisation_step", interrupt_at(17, ask_to_leave))
        with pytest.raises(Interrupted):
            train(tmp_path / "run", "aux_loss=dino")
    (tmp_path / "run" / layout.METRICS).write_bytes(b"")
    train(tmp_path / "run", "aux_loss=dino")
    assert rows(tmp_path / "run") == rows(undisturbed)


def test_a_diverged_run_says_where_and_keeps_a_finite_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = train_module.Training.batch

    def poisoned(self: Any, step: int) -> Any:
        batch = real(self, step)
        if step == 12:
            batch.obs[0, 0] = float("nan")
        return batch

    monkeypatch.setattr(train_module.Training, "batch", poisoned)
    with pytest.raises(Diverged, match="not finite at step 12"):
        train(tmp_path / "run")
    summary = files.read_json(tmp_path / "run" / layout.SUMMARY)
    assert summary["status"] == "diverged"
    assert summary["diverged"] == {"step": 12, "term": "train/prediction"}
    assert summary["untrained"]["eval/probe_rmse"] > 0
    assert read_status(tmp_path / "run")["state"] == "failed"
    state = checkpoint.load(tmp_path / "run", job().identity["hash"], torch.device("cpu"))
    assert state is not None and state["step"] == 10
    assert all(v.isfinite().all() for v in state["objective"].values() if v.is_floating_point())


def test_stop_on_collapse_ends_the_run_and_records_when(tmp_path: Path) -> None:
    summary = train(
        tmp_path / "run",
        "aux_loss=none",
        "training.steps=200",
        "training.lr=0.01",
        "training.on_collapse=stop",
    )
    assert summary["collapsed_at"] is not None
    assert summary["steps"] < 200
    assert "collapsing" in summary["alarms"][0]["message"]


def test_another_configuration_in_the_directory_is_refused(tmp_path: Path) -> None:
    train(tmp_path / "run", "training.steps=2")
    other = job("training.steps=3")
    with pytest.raises(RuntimeError, match=r"training\.steps: 2 -> 3"):
        run(other.config, other.identity, tmp_path / "run")


def test_every_module_imports_alone_and_only_its_own_side() -> None:
    """Imports point one way: losses know nothing of the loop, the comparison nothing of torch."""
    forbidden = {
        "jepa_compare.losses": (
            "hydra",
            "jepa_compare.train",
            "jepa_compare.data",
            "jepa_compare.config",
        ),
        "jepa_compare.data": ("hydra", "jepa_compare.losses", "jepa_compare.config"),
        "jepa_compare.models": ("hydra", "jepa_compare.losses", "jepa_compare.config"),
        "jepa_compare.evaluation": ("hydra", "jepa_compare.losses", "jepa_compare.train"),
        "jepa_compare.comparison": ("torch", "hydra", "omegaconf", "jepa_compare.config"),
        "jepa_compare.run_dir": ("torch", "hydra", "numpy", "jepa_compare.config"),
    }
    import subprocess
    import sys

    for name, unwanted in forbidden.items():
        package = importlib.import_module(name)
        modules = [name]
        if hasattr(package, "__path__"):
            modules += [m.name for m in pkgutil.walk_packages(package.__path__, f"{name}.")]
        script = (
            f"import importlib, sys\nfor m in {modules!r}: importlib.import_module(m)\n"
            f"print([u for u in {unwanted!r} if u in sys.modules])"
        )
        result = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        assert result.stdout.strip() == "[]", (name, result.stdout)


def test_the_evaluations_between_steps_are_no_training_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        now = 0.0

        def perf_counter(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(train_module, "time", clock)

    def takes(seconds: float, owner: type, name: str) -> None:
        real = getattr(owner, name)

        def slow(*arguments: Any) -> Any:
            clock.now += seconds
            return real(*arguments)

        monkeypatch.setattr(owner, name, slow)

    takes(1.0, train_module.Training, "optimisation_step")
    takes(10.0, train_module.Evaluator, "collapse")
    takes(100.0, train_module.Evaluator, "quick")
    every = ("training.steps=6", "evaluation.interval=6", "evaluation.collapse_interval=2")
    summary = train(tmp_path / "run", *every, "training.checkpoint_interval=6")
    assert summary["seconds"] == {
        "train": 6.0,
        "interim_evaluations": 120.0,
        "evaluation": 0.0,
        "total": 126.0,
    }
    assert summary["samples_per_second"] == 8 * job().config.training.frames
    state = checkpoint.load(tmp_path / "run", job(*every).identity["hash"], torch.device("cpu"))
    assert state is not None
    assert (state["seconds"], state["interim_seconds"]) == (6.0, 120.0)


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


@pytest.mark.gpu
@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_does_not_wait_for_the_gpu(tmp_path: Path, loss: str) -> None:
    with training(tmp_path / "run", f"aux_loss={loss}", "device=cuda") as made:
        for step in range(3):  # cuDNN and the allocator settle
            made.step = step
            made.optimisation_step(made.objective, False)
        torch.cuda.set_sync_debug_mode("error")
        try:
            made.optimisation_step(made.objective, False)
        finally:
            torch.cuda.set_sync_debug_mode("default")
