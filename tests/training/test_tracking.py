"""Weights & Biases as a guest: whatever it does, the run goes on; a resumed one keeps its id."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wandb

from jepa_compare.runs import layout
from jepa_compare.system import files
from jepa_compare.system.interrupts import Interrupted
from jepa_compare.training import tracking
from jepa_compare.training.tracking import Tracker
from tests.support.runs import TINY, command, job, read_status, train

TRACKED = tuple(item for item in TINY if item != "tracking=disabled")


def fail(*_: Any, **__: Any) -> Any:
    raise RuntimeError("the server has gone\nand here is a long story")


class Run:
    """Stands for W&B's run, in which some calls fail."""

    def __init__(self, **calls: Callable[..., Any]) -> None:
        self.logged: list[int] = []
        self.summary = self
        for name in ("log", "update", "finish"):
            setattr(self, name, calls.get(name, lambda *_, **__: None))


def tracker(tmp_path: Path) -> Tracker:
    return Tracker(
        job("tracking=offline").config.tracking,
        directory=tmp_path,
        sweep="a:b",
        run_name="r_s0",
        name="r",
        plain_config={},
    )


@pytest.fixture(autouse=True)
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE")


def test_a_failure_to_start_is_one_line_each_and_no_tracking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wandb, "init", fail)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    train(tmp_path / "run", "tracking=online", "training.steps=2")
    assert read_status(tmp_path / "run")["state"] == "completed"
    messages = [r.getMessage() for r in caplog.records if r.name == tracking.__name__]
    assert messages == [
        "Weights & Biases online failed (the server has gone)",
        "Weights & Biases offline failed (the server has gone)",
    ]


@pytest.mark.parametrize("call", ["log", "update", "finish"])
def test_a_run_goes_on_whatever_call_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, call: str
) -> None:
    monkeypatch.setattr(wandb, "init", lambda **_: Run(**{call: fail}))
    summary = train(tmp_path / "run", "tracking=offline", "training.steps=2")
    assert summary["steps"] == 2
    assert caplog.text.count("the server has gone") == 1


def test_an_end_that_hangs_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wandb, "init", lambda **_: Run(finish=lambda **_: hang.wait(60)))
    monkeypatch.setattr(tracking, "FINISH_SECONDS", 0.05)
    hang = threading.Event()
    with tracker(tmp_path):
        pass
    assert "does not finish" in caplog.text
    # A run that was asked to leave waits even less.
    monkeypatch.setattr(tracking, "FINISH_SECONDS", 1000.0)
    monkeypatch.setattr(tracking, "EXIT_SECONDS", 0.05)
    with pytest.raises(Interrupted), tracker(tmp_path):
        raise Interrupted(15)
    hang.set()


def test_the_id_has_no_character_that_is_not_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(wandb, "init", lambda **arguments: given.update(arguments) or Run())
    with tracker(tmp_path):
        pass
    assert given["id"] == "a_b-r_s0" and given["group"] == "a:b" and given["resume"] == "allow"


@pytest.mark.parametrize("wished", ["offline", "disabled"])
def test_the_environment_may_ask_for_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wished: str
) -> None:
    modes: list[str] = []
    monkeypatch.setenv("WANDB_MODE", wished)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setattr(wandb, "init", lambda mode, **_: modes.append(mode) or Run())
    train(tmp_path / "run", "tracking=online", "training.steps=2")
    assert modes == ["offline"] * (wished == "offline")


def offline_runs(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "wandb").glob("offline-run-*"))


@pytest.mark.slow
def test_offline_without_a_key_and_under_the_same_id_again(tmp_path: Path) -> None:
    """Real W&B: no prompt where there is no key, and one id however often a run is continued."""
    given = {"WANDB_MODE": "", "WANDB_API_KEY": "", "HOME": str(tmp_path)}
    arguments = ("hydra.run.dir=run", "sweep=s", "tracking=online")
    command(*arguments, cwd=tmp_path, check=True, tiny=TRACKED, **given)
    status = read_status(tmp_path / "run")
    files.write_json(tmp_path / "run" / layout.STATUS, status | {"state": "interrupted"})
    command(*arguments, cwd=tmp_path, check=True, tiny=TRACKED, **given)
    names = offline_runs(tmp_path / "run")
    assert len(names) == 2
    assert len({name.split("-", 3)[3] for name in names}) == 1  # offline-run-<time>-<id>


@pytest.mark.slow
@pytest.mark.parametrize("server", ["refuses", "is silent"])
def test_a_server_that_is_not_there(tmp_path: Path, server: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:  # accepts, and answers nothing
        port = listening.getsockname()[1] if server == "is silent" else 9
        command(
            "hydra.run.dir=run",
            "tracking=online",
            "tracking.init_timeout=3",
            cwd=tmp_path,
            tiny=TRACKED,
            WANDB_MODE="",
            WANDB_API_KEY="0123456789" * 4,
            WANDB_BASE_URL=f"http://127.0.0.1:{port}",
            HOME=str(tmp_path),
        )
    assert read_status(tmp_path / "run")["state"] == "completed"
    assert len(offline_runs(tmp_path / "run")) == 1


@pytest.mark.slow
def test_a_silent_server_is_left_when_asked(tmp_path: Path) -> None:
    """Real W&B and a whole process: its end waits for the server on its own account."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = {"WANDB_BASE_URL": f"http://127.0.0.1:{listening.getsockname()[1]}"}
        online = server | {"WANDB_API_KEY": "0123456789" * 4, "HOME": str(tmp_path)}
        line = [sys.executable, "-m", "jepa_compare.train", "hydra.run.dir=run", *TRACKED]
        environment = {k: v for k, v in os.environ.items() if k != "WANDB_MODE"} | online
        process = subprocess.Popen([*line, "tracking=online"], cwd=tmp_path, env=environment)
        try:
            deadline = time.monotonic() + 60
            while not list((tmp_path / "run" / "wandb").glob("run-*")):
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.1)
            time.sleep(2)  # it asks the server by now
            process.terminate()
            assert process.wait(10) == 128 + signal.SIGTERM
        finally:
            process.kill()
            process.wait()
    assert read_status(tmp_path / "run")["state"] == "interrupted"
