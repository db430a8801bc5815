"""Checkpoints: written atomically, the one before kept, read without running any code in them."""

import io
import logging
import os
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch

from jepa_compare.runs import layout
from jepa_compare.system import files

FORMAT = "jepa_compare checkpoint 2"
LIMIT = 64 << 30
"""Bytes that are read where nobody says how large a run's checkpoint can be."""
log = logging.getLogger(__name__)


class ForeignCheckpoint(RuntimeError):
    """A readable file that is no checkpoint of this run."""

    resumable = True  # the next attempt checks again; it must not start over and remove the file


def save(directory: Path, state: dict[str, Any]) -> None:
    """Make `state` the newest checkpoint and keep the last one.

    A crash at any moment leaves at least one whole checkpoint under one of the two names.
    Raises OSError (a full disk, say) with what was there before intact.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    newest, previous = directory / layout.CHECKPOINT, directory / layout.CHECKPOINT_PREVIOUS
    incoming = directory / f".{layout.CHECKPOINT}.new"
    files.write_bytes(incoming, buffer.getvalue())
    if newest.exists():
        os.replace(newest, previous)
    os.replace(incoming, newest)
    files.sync_directory(directory)


def remove(directory: Path) -> None:
    """Forget both checkpoints."""
    for name in (layout.CHECKPOINT, layout.CHECKPOINT_PREVIOUS):
        (directory / name).unlink(missing_ok=True)


def load(
    directory: Path, run_hash: str, device: torch.device, *, limit: int = LIMIT
) -> dict[str, Any] | None:
    """The newest checkpoint that can be read, or None where there is none.

    A damaged one is skipped with a warning, and removed once the one before it has been read: the
    next `save` would keep it in that one's place. Raises ForeignCheckpoint for a file that can be
    read but is not a checkpoint of the run `run_hash`, for one of more than `limit` bytes, and for
    what is no regular file.
    """
    condemned: list[Path] = []
    unreadable: ForeignCheckpoint | None = None
    for name in (layout.CHECKPOINT, layout.CHECKPOINT_PREVIOUS):
        path = directory / name
        if not os.path.lexists(path):
            continue
        try:
            with files.open_to_read(path, limit) as file:
                state = _read(file, path, device)
        except files.Refused as error:
            raise ForeignCheckpoint(f"{error}: this run's checkpoint it is not") from error
        except _Damaged as error:
            log.warning("%s is damaged (%s); trying the one before it", path, error)
            condemned.append(path)
            if error.whole:
                unreadable = unreadable or ForeignCheckpoint(_not_ours(path))
            continue
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise ForeignCheckpoint(_not_ours(path))
        if state.get("hash") != run_hash:
            raise ForeignCheckpoint(
                f"{path} belongs to the run {state.get('hash')}, this one is {run_hash}; remove it"
            )
        for other in condemned:
            other.unlink()
        return state
    if unreadable is not None:
        raise unreadable
    return None


class _Damaged(Exception):
    """A file that was a checkpoint once."""

    def __init__(self, reason: str, *, whole: bool = False) -> None:
        super().__init__(reason)
        self.whole = whole
        """Whether its checksums are right: it may as well be somebody else's."""


def _not_ours(path: Path) -> str:
    return f"{path} is not a checkpoint of jepa_compare; remove it"


def _read(file: BinaryIO, path: Path, device: torch.device) -> Any:
    """What a file holds; no code in it is run. Raises _Damaged, ForeignCheckpoint.

    Nothing grows: torch.save compresses nothing, so that what does is not read.
    """
    size = os.fstat(file.fileno()).st_size
    pickled = file.read(1) == b"\x80"
    if pickled and not zipfile.is_zipfile(file):
        raise ForeignCheckpoint(_not_ours(path))  # whole, but torch.save wraps its own in a zip
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
                raise _Damaged("its parts are compressed")
            if sum(part.file_size for part in parts) > size:
                raise _Damaged("its parts are larger than the file")
            broken = archive.testzip()
    except _Damaged:
        raise
    except Exception as error:  # one wrong byte of a header, and zipfile raises nearly anything
        raise _Damaged(str(error) or type(error).__name__) from error
    if broken:
        raise _Damaged(f"checksum of {broken}")
    file.seek(0)
    try:
        state = torch.load(file, map_location=device, weights_only=True)
    except (OSError, MemoryError, torch.OutOfMemoryError, torch.AcceleratorError):
        raise  # the machine's fault, not the file's
    except Exception as error:
        raise _Damaged(f"{type(error).__name__} while it was loaded", whole=True) from error
    if not _fits_its_storage(state, set()):
        raise ForeignCheckpoint(_not_ours(path))
    return state


def _fits_its_storage(value: Any, seen: set[int]) -> bool:
    """Whether no tensor repeats its numbers by a stride: a copy of it would have any size."""
    if isinstance(value, torch.Tensor):
        return value.layout == torch.strided and (
            value.numel() * value.element_size() <= value.untyped_storage().nbytes()
        )
    if not isinstance(value, (dict, list, tuple)) or id(value) in seen:
        return True
    seen.add(id(value))
    items = value.values() if isinstance(value, dict) else value
    return all(_fits_its_storage(item, seen) for item in items)
