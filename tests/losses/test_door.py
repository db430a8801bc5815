"""The wing's door finds the classes of its files by itself."""

from pathlib import Path

import pytest

from jepa_compare import losses
from jepa_compare.losses.vicreg import VICReg


def test_a_loss_is_an_attribute_of_the_wing() -> None:
    assert losses.VICReg is VICReg


def test_a_new_file_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fresh.py").write_text("class Fresh:\n    pass\n")
    monkeypatch.setattr(losses, "__path__", [*losses.__path__, str(tmp_path)])
    assert losses.Fresh.__module__ == "jepa_compare.losses.fresh"


def test_what_no_file_has_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = losses.Nothing
    with pytest.raises(AttributeError):
        _ = losses.Tensor  # imported by the files, not made by them
