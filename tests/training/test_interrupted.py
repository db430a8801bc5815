"""SIGTERM, SIGINT and SIGUSR2 wherever they hit: a checkpoint, `interrupted`, and the same end."""

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import pytest

from jepa_compare.runs import layout, lock
from jepa_compare.runs.lock import DirectoryLock
from jepa_compare.sweep.job import Job
from jepa_compare.system import files, interrupts
from jepa_compare.system.interrupts import SIGNALS, Interrupted, Interrupts
from jepa_compare.training import finish, tracking
from jepa_compare.training.run import attempt, opened
from jepa_compare.training.state import RunContext, TrainingState
from tests.support.resume import UndisturbedRuns, assert_same, short_job, start
from tests.support.runs import before_step, job, read_status


@pytest.fixture(scope="module")
def undisturbed_runs(tmp_path_factory: pytest.TempPathFactory) -> UndisturbedRuns:
    return UndisturbedRuns(tmp_path_factory.mktemp("undisturbed"))


def ask_and_take_long(signum: int) -> None:
    """Ask this process to leave, and take minutes over what it does."""
    os.kill(os.getpid(), signum)
    time.sleep(200)


def taking_long(real: Callable[..., Any], signum: int, nth: int = 0) -> Callable[..., Any]:
    """`real`, which in its `nth` call is asked to leave and takes minutes."""
    calls = itertools.count()

    def call(*arguments: Any) -> Any:
        if next(calls) == nth:
            ask_and_take_long(signum)
        return real(*arguments)

    return call


@contextmanager
def interrupted(job: Job, directory: Path) -> Iterator[tuple[TrainingState, RunContext]]:
    """A run, to be changed before it starts, that is asked to leave, and does."""
    with (
        pytest.raises(Interrupted),
        opened(job.config, job.identity, directory) as context,
    ):
        state = TrainingState.build(job.config)
        yield state, context
        attempt(state, context)


@pytest.mark.parametrize("signum", SIGNALS)
@pytest.mark.parametrize(
    ("name", "nth", "step"),
    [("quick", 1, 10), ("evaluate", 0, 12), ("draw_figures", 0, 12)],
    ids=["at an interval", "at the end", "figures"],
)
def test_a_signal_cuts_what_changes_nothing_and_loses_no_step(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed_runs: UndisturbedRuns,
    signum: signal.Signals,
    name: str,
    nth: int,
    step: int,
) -> None:
    plain, undisturbed = undisturbed_runs["dino"]
    figures = f"evaluation.figures.enabled={str(name == 'draw_figures').lower()}"
    job = short_job("dino", figures, "training.checkpoint_interval=4")  # not at the evaluation's
    with monkeypatch.context() as patch, interrupted(job, tmp_path / "run") as (state, _):
        owner = finish if name == "draw_figures" else state.evaluator
        patch.setattr(owner, name, taking_long(getattr(owner, name), signum, nth))
    status = read_status(tmp_path / "run")
    assert (status["state"], status["step"]) == ("interrupted", step)
    start(plain, tmp_path / "run")
    assert_same(tmp_path / "run", undisturbed, plain)
    assert read_status(tmp_path / "run")["first_step"] == step


def test_a_step_that_is_being_compiled_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed_runs: UndisturbedRuns
) -> None:
    plain, undisturbed = undisturbed_runs["dino"]
    monkeypatch.setattr(interrupts, "GRACE_SECONDS", 0.2)
    with interrupted(plain, tmp_path / "run") as (state, _):
        before_step(state, 7, lambda: ask_and_take_long(signal.SIGTERM))
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
    tmp_path: Path, undisturbed_runs: UndisturbedRuns
) -> None:
    plain, undisturbed = undisturbed_runs["dino"]
    with interrupted(plain, tmp_path / "run") as (_, context):
        write_summary = context.writer.write_summary

        def asked(summary: Any) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            write_summary(summary)

        context.writer.write_summary = asked
    assert read_status(tmp_path / "run")["state"] == "completed"
    assert_same(tmp_path / "run", undisturbed, plain)


def test_a_run_that_gave_up_is_not_trained_on_when_it_is_resumed(tmp_path: Path) -> None:
    """Cut in its evaluation, after `training.on_collapse=stop` has ended the training."""
    giving_up = job(
        "aux_loss=none", "training.steps=200", "training.lr=0.01", "training.on_collapse=stop"
    )
    start(giving_up, tmp_path / "plain")
    with interrupted(giving_up, tmp_path / "run") as (state, _):
        state.evaluator.evaluate = taking_long(state.evaluator.evaluate, signal.SIGTERM)
    start(giving_up, tmp_path / "run")
    summary = files.read_json(tmp_path / "run" / layout.SUMMARY)
    assert summary["steps"] < 200
    assert_same(tmp_path / "run", tmp_path / "plain", giving_up)
