"""`python -m jepa_compare.train --run DIR`: a run from its directory alone."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jepa_compare.runs import layout
from jepa_compare.sweep import run_job
from jepa_compare.sweep.directory import announce
from jepa_compare.sweep.run_job import main
from jepa_compare.system import files
from tests.support.runs import job, read_status, rows


def announced(directory: Path, *overrides: str) -> Path:
    announce(replace(job(*overrides), directory=directory))
    return directory


def command(directory: Path) -> list[str]:
    return [sys.executable, "-m", "jepa_compare.train", "--run", str(directory)]


@pytest.mark.slow
def test_a_run_starts_from_its_directory(tmp_path: Path) -> None:
    directory = announced(tmp_path / "it's a run")
    config = (directory / layout.CONFIG).read_bytes()
    result = subprocess.run(command(directory), capture_output=True, text=True, check=True)
    assert read_status(directory)["state"] == "completed"
    assert (directory / layout.CONFIG).read_bytes() == config
    log = (directory / layout.LOG).read_text()
    assert "parameters: encoder" in log and log == result.stdout
    again = subprocess.run(command(directory), capture_output=True, text=True, check=True)
    assert again.stdout.endswith("is complete: skipped\n")


@pytest.mark.slow
def test_a_run_that_was_cut_is_continued(tmp_path: Path) -> None:
    directory = announced(tmp_path / "run", "training.steps=200", "training.checkpoint_interval=20")
    with subprocess.Popen(command(directory), stderr=subprocess.PIPE, text=True) as process:
        while not (directory / layout.CHECKPOINT).exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.terminate()
        _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert error == "jepa_compare: interrupted by SIGTERM; the same command continues\n"
    step = read_status(directory)["step"]
    assert 0 < step < 200
    result = subprocess.run(command(directory), capture_output=True, text=True, check=True)
    assert f"continuing at step {step}" in result.stdout
    assert rows(directory)[-1]["step"] == 200


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB. GPU 0 has 1 GiB"),
        RuntimeError("[alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_a_run_that_does_not_fit_says_what_to_make_smaller(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    def exhausted(*_: object) -> None:
        raise error

    monkeypatch.setattr(run_job, "log_to_console", lambda _: None)
    monkeypatch.setattr(run_job, "run", exhausted)
    directory = announced(tmp_path / "run")
    with pytest.raises(SystemExit, match="2"):
        main(["--run", str(directory)])
    shown = capsys.readouterr().err
    assert "does not fit in memory (" in shown and shown.count("\n") == 1
    assert "make smaller: training.batch_size=8, training.rollout_steps=" in shown
    monkeypatch.setattr(run_job, "run", lambda *_: (_ for _ in ()).throw(RuntimeError("other")))
    with pytest.raises(RuntimeError, match="other"):
        main(["--run", str(directory)])


def test_a_run_needs_no_hydra(tmp_path: Path) -> None:
    directory = announced(tmp_path / "run", "training.steps=1", "training.warmup_steps=0")
    script = (
        f"import sys; sys.argv = ['train', '--run', {str(directory)!r}]\n"
        "from jepa_compare.train import main\n"
        "main(); print({'hydra', 'omegaconf'} & set(sys.modules))"
    )
    line = [sys.executable, "-c", script]
    result = subprocess.run(line, capture_output=True, text=True, check=True)
    assert result.stdout.endswith("\nset()\n")


def without(*keys: str) -> Callable[[Path], None]:
    def changed(run: Path) -> None:
        identity = files.read_json(run / layout.CONFIG)
        node = identity
        for key in keys[:-1]:
            node = node[key]
        del node[keys[-1]]
        files.write_json(run / layout.CONFIG, identity)

    return changed


def other_rate(run: Path) -> None:
    identity = files.read_json(run / layout.CONFIG)
    identity["config"]["training"]["lr"] = 0.5
    files.write_json(run / layout.CONFIG, identity)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: (run / layout.CONFIG).unlink(), "is no run directory: it has no config.json"),
        (lambda run: (run / layout.CONFIG).write_text('{"conf'), "config.json is damaged"),
        (without("hash"), "config.json is damaged"),
        (without("config", "training", "lr"), "of this version (training.lr: missing)"),
        (other_rate, "config.json was changed, or is another version's"),
    ],
)
def test_a_directory_without_a_usable_config_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], object],
    message: str,
) -> None:
    spoil(announced(tmp_path / "run"))
    with pytest.raises(SystemExit, match="2"):
        main(["--run", str(tmp_path / "run")])
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
