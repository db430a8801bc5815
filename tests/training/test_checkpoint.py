"""Whatever happens while a checkpoint is written, a whole one is left."""

import contextlib
import itertools
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from jepa_compare.runs import layout
from jepa_compare.training import checkpoint

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
    (tmp_path / layout.CHECKPOINT).unlink()
    assert loaded_step(tmp_path) == 2


class Crash(Exception):
    pass


def crashing(real: Callable[..., None], nth: int, after: bool) -> Callable[..., None]:
    """`real`, with a crash before or after its `nth` call."""
    calls = itertools.count()

    def crash(*arguments: object) -> None:
        call = next(calls)
        if call == nth and not after:
            raise Crash
        real(*arguments)
        if call == nth:
            raise Crash

    return crash


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("nth", range(4))
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_moment_leaves_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, nth: int, after: bool
) -> None:
    checkpoint.save(tmp_path, state(1))
    checkpoint.save(tmp_path, state(2))
    with monkeypatch.context() as patch:
        patch.setattr(os, call, crashing(getattr(os, call), nth, after))
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
    path = tmp_path / layout.CHECKPOINT
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


def small(directory: Path) -> list[bytes]:
    """Two checkpoints of a few values; the previous and the newest file."""
    for step in (1, 2):
        checkpoint.save(directory, {"hash": "0123abcd", "step": step, "weights": torch.ones(3)})
    names = (layout.CHECKPOINT_PREVIOUS, layout.CHECKPOINT)
    return [(directory / name).read_bytes() for name in names]


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xD0, 0xFF])
def test_any_wrong_byte_costs_one_checkpoint_at_the_most(tmp_path: Path, flip: int) -> None:
    """0xD0 makes the first byte that of a pickle, 0x80 makes names invalid text."""
    good, newest = small(tmp_path)
    fell_back = 0
    for position in {*range(0, len(newest), 7), *range(len(newest) - 60, len(newest))}:
        data = bytearray(newest)
        data[position] ^= flip
        (tmp_path / layout.CHECKPOINT).write_bytes(data)
        state = checkpoint.load(tmp_path, "0123abcd", CPU)
        assert state is not None and torch.equal(state["weights"], torch.ones(3))
        fell_back += state["step"] == 1
        # What could not be read is out of the way of the next save, what could is still there.
        assert (tmp_path / layout.CHECKPOINT).exists() == (state["step"] == 2)
        assert (tmp_path / layout.CHECKPOINT_PREVIOUS).read_bytes() == good
    assert fell_back > 10


def test_a_wrong_byte_without_a_previous_one_raises_nothing_else(tmp_path: Path) -> None:
    _, newest = small(tmp_path)
    (tmp_path / layout.CHECKPOINT_PREVIOUS).unlink()
    for position in range(3, len(newest), 11):
        data = bytearray(newest)
        data[position] ^= 0x80
        (tmp_path / layout.CHECKPOINT).write_bytes(data)
        try:
            checkpoint.load(tmp_path, "0123abcd", CPU)
        except checkpoint.ForeignCheckpoint as error:
            assert str(error).count("\n") == 0
        assert (tmp_path / layout.CHECKPOINT).read_bytes() == data


@pytest.mark.parametrize("nth", range(2))
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_after_a_fall_back_does_not_cost_the_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int, after: bool
) -> None:
    """The damaged newest must not be kept in the good one's place while a third is written."""
    checkpoint.save(tmp_path, state(1))
    checkpoint.save(tmp_path, state(2))
    path = tmp_path / layout.CHECKPOINT
    path.write_bytes(path.read_bytes()[:-1000])
    assert loaded_step(tmp_path) == 1
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crashing(os.replace, nth, after))
        with contextlib.suppress(Crash):
            checkpoint.save(tmp_path, state(3))
    assert loaded_step(tmp_path) in (1, 3)


def test_a_foreign_file_is_refused_and_not_executed(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(tmp_path / "executed"),))

    path = tmp_path / layout.CHECKPOINT
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
