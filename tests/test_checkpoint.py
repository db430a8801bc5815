"""Whatever happens while a checkpoint is written, a whole one is left."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from jepa_compare import checkpoint, run_dir

CPU = torch.device("cpu")


def state(step: int) -> dict[str, Any]:
    return {"hash": "0123abcd", "step": step, "weights": torch.full((1000,), float(step))}


def loaded_step(directory: Path) -> int | None:
    loaded = checkpoint.load(directory, "0123abcd", CPU)
    if loaded is None:
        return None
    assert torch.equal(loaded["weights"], torch.full((1000,), float(loaded["step"])))
    return loaded["step"]


def test_the_newest_is_loaded_and_the_last_kept(tmp_path: Path) -> None:
    assert loaded_step(tmp_path) is None
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, state(step))
    assert loaded_step(tmp_path) == 3
    (tmp_path / run_dir.CHECKPOINT).unlink()
    assert loaded_step(tmp_path) == 2


class Crash(Exception):
    pass


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("nth", range(4))
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_moment_leaves_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, nth: int, after: bool
) -> None:
    checkpoint.save(tmp_path, state(1))
    checkpoint.save(tmp_path, state(2))
    real, calls = getattr(os, call), 0

    def crash(*arguments: object) -> None:
        nonlocal calls
        calls += 1
        if calls - 1 == nth and not after:
            raise Crash
        real(*arguments)
        if calls - 1 == nth:
            raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(os, call, crash)
        try:
            checkpoint.save(tmp_path, state(3))
            whole = {3}  # fewer calls than nth: nothing crashed
        except Crash:
            whole = {2, 3}
    assert loaded_step(tmp_path) in whole
    checkpoint.save(tmp_path, state(4))
    assert loaded_step(tmp_path) == 4


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped"])
def test_a_damaged_newest_falls_back_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    checkpoint.save(tmp_path, state(1))
    checkpoint.save(tmp_path, state(2))
    path = tmp_path / run_dir.CHECKPOINT
    data = bytearray(path.read_bytes())
    if damage == "truncated":
        data = data[: len(data) // 2]
    elif damage == "empty":
        data = bytearray()
    else:
        data[len(data) // 2] ^= 0xFF  # inside the tensor
    path.write_bytes(data)
    assert loaded_step(tmp_path) == 1
    assert "is damaged" in caplog.text


def test_a_foreign_file_is_refused_and_not_executed(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(tmp_path / "executed"),))

    path = tmp_path / run_dir.CHECKPOINT
    for write in (
        lambda: path.write_bytes(pickle.dumps(Bomb())),
        lambda: torch.save(Bomb(), path),
        lambda: torch.save({"weights": torch.ones(1)}, path),
    ):
        write()
        with pytest.raises(checkpoint.ForeignCheckpoint, match="is not a checkpoint"):
            checkpoint.load(tmp_path, "0123abcd", CPU)
    assert not (tmp_path / "executed").exists()


def test_the_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, state(1))
    with pytest.raises(checkpoint.ForeignCheckpoint, match="belongs to the run 0123abcd"):
        checkpoint.load(tmp_path, "ffffffff", CPU)
