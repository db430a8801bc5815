"""Atomic writes, strict JSON, content hashes."""

import os
from pathlib import Path

import pytest

from jepa_compare.system import files


def test_non_finite_numbers_are_strings() -> None:
    assert files.to_json({"a": float("nan"), "b": [float("-inf"), 1.5]}) == (
        '{"a": "nan", "b": ["-inf", 1.5]}'
    )


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "file.json"
    files.write_json(path, {"old": 1})

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        files.write_json(path, {"new": 1})
    assert files.read_json(path) == {"old": 1}
    assert os.listdir(tmp_path) == ["file.json"]


def test_content_hash_ignores_order_and_nothing_else() -> None:
    assert files.content_hash({"a": 1, "b": 2.0}) == files.content_hash({"b": 2.0, "a": 1})
    assert files.content_hash({"a": 1}) != files.content_hash({"a": 2})
    assert files.content_hash({"a": [1, 2]}) != files.content_hash({"a": [2, 1]})
