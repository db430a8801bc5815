"""Files that are never half there: atomic writes, strict JSON, content hashes. Standard library.

A run directory may come from anywhere. Whatever is opened in one is opened here: through no link,
regular files alone, without waiting for a pipe, and no further than a limit.
"""

import errno
import hashlib
import json
import math
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

MEGABYTE = 1 << 20
_TEMPORARY = re.compile(r"\..+\.\d+\.[0-9a-f]{8}")


class Refused(OSError):
    """What is not opened: a link, a pipe or a device, a file larger than it may be."""


def below(directory: Path, *parts: str) -> Path:
    """The path of something below `directory`, which may itself be a link.

    Raises Refused when one of `parts` is a link.
    """
    path = directory
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise Refused(f"{path} is a link, which is not followed; remove it")
    return path


def descriptor(path: Path, flags: int) -> int:
    """A descriptor of a regular file. Raises Refused for anything else, and waits for nothing.

    What is to be written in place must have no second name: a hard link is a link too.
    """
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        opened = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Refused(f"{path} is a link, which is not followed; remove it") from None
        if error.errno in (errno.ENXIO, errno.EISDIR):  # a pipe that nobody reads, a socket
            raise Refused(f"{path} is not a regular file; remove it") from None
        raise
    info = os.fstat(opened)
    if stat.S_ISREG(info.st_mode) and (info.st_nlink <= 1 or not flags & (os.O_WRONLY | os.O_RDWR)):
        return opened
    os.close(opened)
    if stat.S_ISREG(info.st_mode):
        raise Refused(f"{path} has a second name, which would change too; put a copy in its place")
    raise Refused(f"{path} is not a regular file; remove it")


def open_to_read(path: Path, limit: int) -> BinaryIO:
    """A regular file of at most `limit` bytes. Raises Refused."""
    file = os.fdopen(descriptor(path, os.O_RDONLY), "rb")
    if os.fstat(file.fileno()).st_size > limit:
        file.close()
        raise Refused(f"{path} is larger than {limit / MEGABYTE:.4g} MiB")
    return file


def open_to_append(path: Path) -> BinaryIO:
    """A regular file, made if it is not there. Raises Refused."""
    return os.fdopen(descriptor(path, os.O_RDWR | os.O_CREAT | os.O_APPEND), "ab")


def read_bytes(path: Path, limit: int) -> bytes:
    """A regular file of at most `limit` bytes, whole. Raises Refused."""
    with open_to_read(path, limit) as file:
        return file.read(limit)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` so that a reader sees the old or the new content, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile's: its files are readable by their owner alone, and colleagues read sweeps.
    temporary = path.parent / f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        with naming(path), temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Force the names in `directory` to disk."""
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def remove_leftovers(directory: Path) -> None:
    """Remove what `write_bytes` left when its process was killed; nobody may be writing."""
    for path in directory.glob(".*"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError of a write, which knows no name, say which file it was."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def finite(value: Any) -> Any:
    """JSON has no NaN: non-finite numbers become the strings 'nan', 'inf', '-inf'."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def to_json(value: Any, indent: int | None = None) -> str:
    """Strict JSON; raises TypeError for what is not plain data."""
    return json.dumps(finite(value), indent=indent, allow_nan=False)


def write_json(path: Path, value: Any) -> None:
    """Atomically write plain data as readable JSON."""
    write_bytes(path, (to_json(value, indent=2) + "\n").encode())


def read_json(path: Path) -> Any:
    """A file of ours, of at most 16 MiB. Raises OSError or ValueError."""
    try:
        return json.loads(read_bytes(path, 16 * MEGABYTE))
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply") from None


def content_hash(value: Any) -> str:
    """8 hex digits that identify plain data by content, independent of key order."""
    canonical = json.dumps(finite(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]
