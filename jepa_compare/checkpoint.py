"""Checkpoints: written atomically, the one before kept, read without executing anything."""

import contextlib
import io
import logging
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from jepa_compare import run_dir

FORMAT = "jepa_compare checkpoint 2"
log = logging.getLogger(__name__)


class ForeignCheckpoint(RuntimeError):
    """A readable file that is no checkpoint of this run."""

    resumable = True  # the next attempt looks again; it must not start over and remove the file


def save(directory: Path, state: dict[str, Any]) -> None:
    """Make `state` the newest checkpoint and keep the last one.

    A crash at any moment leaves at least one whole checkpoint under one of the two names.
    Raises OSError (a full disk, say) with what was there before intact.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    newest, previous = directory / run_dir.CHECKPOINT, directory / run_dir.CHECKPOINT_PREVIOUS
    incoming = directory / f".{run_dir.CHECKPOINT}.new"
    run_dir.write_bytes(incoming, buffer.getvalue())
    if newest.exists():
        os.replace(newest, previous)
    os.replace(incoming, newest)
    run_dir.sync_directory(directory)


def remove(directory: Path) -> None:
    """Forget both checkpoints."""
    for name in (run_dir.CHECKPOINT, run_dir.CHECKPOINT_PREVIOUS):
        (directory / name).unlink(missing_ok=True)


def load(directory: Path, run_hash: str, device: torch.device) -> dict[str, Any] | None:
    """The newest checkpoint that can be read, or None where there is none.

    A damaged one is skipped with a warning. Raises ForeignCheckpoint for a file that can be read
    but is not a checkpoint of the run `run_hash`.
    """
    for name in (run_dir.CHECKPOINT, run_dir.CHECKPOINT_PREVIOUS):
        path = directory / name
        if not path.exists():
            continue
        with path.open("rb") as file:
            bare_pickle = file.read(1) == b"\x80"  # whole, but torch.save wraps its own in a zip
        damage = None if bare_pickle else _damage(path)
        if damage:
            log.warning("%s is damaged (%s); trying the one before it", path, damage)
            continue
        state = None
        if not bare_pickle:
            with contextlib.suppress(RuntimeError, pickle.UnpicklingError):
                state = torch.load(path, map_location=device, weights_only=True)
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise ForeignCheckpoint(f"{path} is not a checkpoint of jepa_compare; remove it")
        if state["hash"] != run_hash:
            raise ForeignCheckpoint(
                f"{path} belongs to the run {state['hash']}, this one is {run_hash}; remove it"
            )
        return state
    return None


def _damage(path: Path) -> str | None:
    """What is wrong with a file that was a checkpoint once, or None."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        return str(error) or type(error).__name__
    return f"checksum of {broken}" if broken else None
