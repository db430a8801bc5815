"""SIGTERM, SIGINT and SIGUSR2 wherever they hit: a checkpoint, `interrupted`, and the same end."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import pytest

import jepa_compare.training.run as train_module
from jepa_compare.evaluation.evaluator import Evaluator
from jepa_compare.runs import layout, lock
from jepa_compare.runs.lock import DirectoryLock
from jepa_compare.runs.writer import read_status
from jepa_compare.system import files, interrupts
from jepa_compare.system.interrupts import SIGNALS, Interrupted, Interrupts
from jepa_compare.training import tracking
from tests.support.runs import job
from tests.training.test_exact_resume import Reference, assert_same, made, start


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return Reference(tmp_path_factory.mktemp("reference"))


def takes_long(real: Callable[..., Any], signum: int, nth: int = 0) -> Callable[..., Any]:
    """A stand-in for `real` that is asked to leave in its `nth` call, and takes minutes."""
    calls = []

    def stand_in(*arguments: Any, **named: Any) -> Any:
        calls.append(True)
        if len(calls) == nth + 1:
            os.kill(os.getpid(), signum)
            time.sleep(200)
        return real(*arguments, **named)

    return stand_in


@pytest.mark.parametrize("signum", SIGNALS)
@pytest.mark.parametrize(
    ("where", "name", "nth", "step"),
    [
        (Evaluator, "quick", 1, 10),  # at an interval
        (Evaluator, "evaluate", 0, 12),  # at the end
        (train_module, "draw_figures", 0, 12),
    ],
)
def test_a_signal_cuts_what_changes_nothing_and_loses_no_step(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reference: Reference,
    signum: signal.Signals,
    where: Any,
    name: str,
    nth: int,
    step: int,
) -> None:
    plain, undisturbed = reference["dino"]
    figures = f"evaluation.figures.enabled={str(name == 'draw_figures').lower()}"
    job = made("dino", figures, "training.checkpoint_interval=4")  # not at the evaluation's step
    with monkeypatch.context() as patch:
        patch.setattr(where, name, takes_long(getattr(where, name), signum, nth))
        with pytest.raises(Interrupted, match=signum.name):
            start(job, tmp_path / "run")
    status = read_status(tmp_path / "run")
    assert (status["state"], status["step"]) == ("interrupted", step)
    start(plain, tmp_path / "run")
    assert_same(tmp_path / "run", undisturbed, plain)
    assert read_status(tmp_path / "run")["first_step"] == step


def test_a_step_that_is_being_compiled_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: Reference
) -> None:
    plain, undisturbed = reference["dino"]

    def compiled(objective: Any, mode: str) -> Any:
        return takes_long(objective, signal.SIGTERM, nth=6)

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "compiled", compiled)
        patch.setattr(interrupts, "GRACE_SECONDS", 0.2)
        with pytest.raises(Interrupted):
            start(plain, tmp_path / "run")
    assert read_status(tmp_path / "run")["state"] == "interrupted"
    start(plain, tmp_path / "run")
    assert_same(tmp_path / "run", undisturbed, plain)
    assert read_status(tmp_path / "run")["first_step"] == 6  # the last checkpoint before it


def after_a_moment(signum: signal.Signals) -> threading.Thread:
    """Ask this process to leave while it waits for something, but not before it listens: a signal
    that comes earlier would end the tests."""

    def ask() -> None:
        deadline = time.monotonic() + 60
        while not isinstance(getattr(signal.getsignal(signum), "__self__", None), Interrupts):
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)
        time.sleep(0.3)
        os.kill(os.getpid(), signum)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_server_that_is_waited_for_at_the_start_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signum: signal.Signals
) -> None:
    import wandb

    called = []

    def init(**_: Any) -> None:
        called.append(after_a_moment(signum))
        time.sleep(20)
        called.append("it was waited for")

    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setattr(wandb, "init", init)
    with pytest.raises(Interrupted, match=signum.name):
        start(job("tracking=offline"), tmp_path / "run")
    assert len(called) == 1
    status = read_status(tmp_path / "run")
    assert (status["state"], status["step"]) == ("interrupted", 0)


def test_a_server_that_is_waited_for_at_the_end_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import wandb

    hang = threading.Event()

    class Run:
        summary: ClassVar[dict[str, Any]] = {}

        def log(self, *_: Any, **__: Any) -> None:
            pass

        def finish(self, **_: Any) -> None:
            after_a_moment(signal.SIGTERM)
            hang.wait(20)

    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setattr(wandb, "init", lambda **_: Run())
    monkeypatch.setattr(tracking, "FINISH_SECONDS", 1000.0)
    monkeypatch.setattr(tracking, "EXIT_SECONDS", 0.05)
    with pytest.raises(Interrupted):
        start(job("tracking=offline", "training.steps=2"), tmp_path / "run")
    hang.set()
    assert "does not finish" in caplog.text
    assert read_status(tmp_path / "run")["state"] == "completed"


@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_owner_that_is_waited_for_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    """Of this machine, which is given time to leave; of another one, whose heartbeat is watched."""
    monkeypatch.setattr(lock, "STALE_SECONDS", 15.0)
    owner = DirectoryLock(tmp_path)
    if elsewhere:
        named = {"host": "elsewhere", "pid": 1, "heartbeat": time.time()}
        (tmp_path / layout.LOCK).write_text(files.to_json(named))
    with nullcontext() if elsewhere else owner:
        after_a_moment(signal.SIGTERM)
        with pytest.raises(Interrupted):
            start(job(), tmp_path)
    assert not (tmp_path / layout.STATUS).exists()


def test_a_signal_at_the_very_end_ends_the_sweep_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: Reference
) -> None:
    plain, undisturbed = reference["dino"]
    real = train_module.RunWriter.write_summary

    def write_summary(*arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        real(*arguments)

    monkeypatch.setattr(train_module.RunWriter, "write_summary", write_summary)
    with pytest.raises(Interrupted):
        start(plain, tmp_path / "run")
    assert read_status(tmp_path / "run")["state"] == "completed"
    assert_same(tmp_path / "run", undisturbed, plain)


def test_a_run_that_gave_up_is_not_trained_on_when_it_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut in its evaluation, after `training.on_collapse=stop` has ended the training."""
    giving_up = job(
        "aux_loss=none", "training.steps=200", "training.lr=0.01", "training.on_collapse=stop"
    )
    start(giving_up, tmp_path / "plain")
    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "evaluate", takes_long(Evaluator.evaluate, signal.SIGTERM))
        with pytest.raises(Interrupted):
            start(giving_up, tmp_path / "run")
    start(giving_up, tmp_path / "run")
    summary = files.read_json(tmp_path / "run" / layout.SUMMARY)
    assert summary["steps"] < 200
    assert_same(tmp_path / "run", tmp_path / "plain", giving_up)
