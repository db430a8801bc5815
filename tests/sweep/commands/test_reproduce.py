"""`jepa-compare reproduce`: what cannot be reproduced is one line; `auto` is not measured again."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from jepa_compare import training
from jepa_compare.cli import main
from jepa_compare.config.schema import Config
from jepa_compare.runs import layout
from jepa_compare.runs.identity import run_hash
from jepa_compare.system import files
from tests.support.runs import command, train


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("reproduce") / "run"
    train(directory, "training.steps=2")
    return directory


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def change(name: str, value: Any) -> Callable[[Path], None]:
    """Another value of `name` in the stored config, whose hash stays true."""

    def changed(run: Path) -> None:
        identity = files.read_json(run / layout.CONFIG)
        *path, key = name.split(".")
        node = identity["config"]
        for part in path:
            node = node[part]
        node[key] = value
        identity["hash"] = run_hash(identity["config"])
        files.write_json(run / layout.CONFIG, identity)

    return changed


def damage(name: str) -> Callable[[Path], None]:
    return lambda run: (run / name).write_text('{"half')  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (change("device", "cuda"), "device=cuda"),
        (change("training.lr", "fast"), "config.json is no configuration of this version"),
        (change("training.no_such_key", 1), "config.json is no configuration of this version"),
        (damage(layout.CONFIG), "config.json is damaged"),
        (damage(layout.SUMMARY), ""),
        (damage(layout.METRICS), ""),
        (lambda run: files.write_json(run / layout.SUMMARY, []), "summary.json is not"),
        (lambda run: (run / layout.SUMMARY).unlink(), "it has no summary.json"),
    ],
)
def test_what_cannot_be_reproduced_is_one_line(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], None],
    message: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    spoil(copy)
    assert main(["reproduce", str(copy)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("jepa-compare: ") and message in error and error.count("\n") == 1


def test_a_choice_that_was_measured_is_kept(
    copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`training.compile=auto` chose one mode then; measured now, it may choose the other."""
    change("training.compile", "auto")(copy)
    asked: list[str] = []

    def run(config: Config, _: dict[str, Any], out: Path) -> None:
        asked.append(config.training.compile)
        shutil.copytree(copy, out)

    monkeypatch.setattr(training, "run", run)
    assert main(["reproduce", str(copy), "--out", str(tmp_path / "again")]) == 0
    assert asked == [files.read_json(copy / layout.SUMMARY)["compile"]] != ["auto"]


def compare(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "jepa_compare.cli", *arguments]
    return subprocess.run(line, cwd=cwd, check=False, capture_output=True, text=True)


def test_reproduce_and_status(tmp_path: Path) -> None:
    command("aux_loss=vicreg", "hydra.run.dir=run", cwd=tmp_path)
    result = compare("reproduce", "run", "--out", "again", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, "run: all metrics equal, bit for bit\n")
    refused = compare("reproduce", "run", "--out", "again", cwd=tmp_path)
    assert refused.returncode == 1 and "again is not empty" in refused.stderr
    shown = compare("status", "run", cwd=tmp_path)
    assert "20/20" in shown.stdout

    # A number that was changed by hand, and other surroundings, are named.
    metrics, summary = tmp_path / "run" / layout.METRICS, tmp_path / "run" / layout.SUMMARY
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    lines[2]["train/loss"] += 1e-9
    metrics.write_text("".join(files.to_json(line) + "\n" for line in lines))
    tampered = files.read_json(summary)
    tampered["versions"]["torch"] = "1.0"
    files.write_json(summary, tampered)
    result = compare("reproduce", "run", cwd=tmp_path)
    assert result.returncode == 1
    assert "differs: versions.torch: 1.0 -> " in result.stdout
    assert f"step {lines[2]['step']}, train/loss: {lines[2]['train/loss']} -> " in result.stderr
