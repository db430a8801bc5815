"""Reading JSON that nobody vouches for.

A run directory may come from another machine, another version or a full disk. Nothing here
executes, unpickles or follows what it reads: a path is opened only if it is a regular file, no link
lies between the run directory and it, and it is not larger than its limit. Whatever is wrong
becomes `Damaged`, whose message is the reason that the report shows.
"""

import hashlib
import json
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from jepa_compare.system import files

MEGABYTE = files.MEGABYTE
_LONGEST_TEXT = 300  # characters kept of any text that is shown
MOST_KEYS = 2000  # of a flattened mapping
_DEEPEST = 12  # levels of a nested mapping


class Damaged(ValueError):
    """A file or a value that cannot be used; the message says why, in words for the report."""


def regular_file(directory: Path, *parts: str) -> Path | None:
    """The path of a file below `directory`, or None when there is none.

    Raises `Damaged` when a part of the way is a link or the end is not a regular file.
    """
    path = directory
    for index, part in enumerate(parts):
        path = path / part
        try:
            mode = path.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Damaged(f"{part}: {error.strerror}") from None
        last = index == len(parts) - 1
        if stat.S_ISLNK(mode):
            raise Damaged(f"{part} is a link, which is not followed")
        if last and not stat.S_ISREG(mode):
            raise Damaged(f"{part} is not a regular file")
    return path


class _Twice(ValueError):
    def __init__(self, key: str) -> None:
        self.key = key


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; raises ValueError where it has a key twice, of which a reader sees but one."""
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        raise _Twice(next(key for key, _ in pairs if key in seen or seen.add(key)))
    return values


def parse_json(text: str | bytes, name: str) -> Any:
    """Parse one JSON text; `Damaged` for whatever the parser cannot take."""
    try:
        return json.loads(
            text if isinstance(text, str) else text.decode("utf-8-sig"), object_pairs_hook=unique
        )
    except UnicodeDecodeError:
        raise Damaged(f"{name} is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise Damaged(f"{name} is truncated or not JSON (character {error.pos})") from None
    except RecursionError:
        raise Damaged(f"{name} is nested too deeply") from None
    except _Twice as twice:
        raise Damaged(f"{name} has the key {quoted(twice.key)} twice") from None
    except ValueError:  # an integer with thousands of digits
        raise Damaged(f"{name} holds a number that is too long") from None


def read_object(directory: Path, *parts: str, limit: int) -> dict[str, Any] | None:
    """The JSON object in a file below `directory`; None when there is no such file.

    `limit` is the size in bytes above which the file is not read. Raises `Damaged`.
    """
    path = regular_file(directory, *parts)
    if path is None:
        return None
    name = "/".join(parts)
    with open_regular(path, name, limit) as file:
        content = file.read(limit + 1)
    value = parse_json(content, name)
    if not isinstance(value, dict):
        raise Damaged(f"{name} is not a JSON object")
    return value


def open_regular(path: Path, name: str, limit: int) -> BinaryIO:
    """Open a file that `regular_file` found; raises `Damaged` beyond `limit` bytes.

    Nothing that was put in its place since can be followed (a link) or waited for (a FIFO).
    """
    try:
        return files.open_to_read(path, limit)
    except files.Refused as error:
        raise Damaged(str(error).replace(str(path), name)) from None
    except OSError as error:
        raise Damaged(f"{name}: {error.strerror}") from None


def shown(value: Any) -> str:
    """A text that is safe to print anywhere that escapes its own markup.

    Control characters, bidirectional overrides and lone surrogates become "?", so that a name can
    neither move a terminal's cursor nor fail to encode; long text is cut.
    """
    try:
        text = value if isinstance(value, str) else str(value)
    except (RecursionError, ValueError):  # nested as deeply as the parser takes, or a huge number
        text = f"<{type(value).__name__}>"
    if len(text) > _LONGEST_TEXT:
        text = text[: _LONGEST_TEXT - 1] + "…"
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " if c in "\n\t" else "?" for c in text)
    return sys.intern(text)


def quoted(value: Any) -> str:
    """The start of a value as Python writes it, `shown`."""
    try:
        return shown(repr(value))[:40]
    except (RecursionError, ValueError):
        return shown(value)[:40]


def named(text: str) -> str:
    """`shown`, but two different texts stay different: one that had to be changed gets a tag."""
    safe = shown(text)
    if safe == text:
        return safe
    digest = hashlib.blake2s(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return sys.intern(f"{safe} #{digest}")


def flatten(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A nested object as one level: {"training": {"lr": 1}} becomes {"training.lr": 1}.

    Leaves are numbers, None and (`named`) text; truth values become "true" and "false", lists
    their JSON text, NaN "nan", so that leaves are equal exactly when the settings are. Raises
    `Damaged` beyond 12 levels or 2000 keys.
    """
    flat: dict[str, Any] = {}

    def visit(node: Mapping[str, Any], prefix: str, depth: int) -> None:
        if depth > _DEEPEST:
            raise Damaged(f"{name} is nested too deeply")
        for key, item in node.items():
            path = f"{prefix}{key}"
            if isinstance(item, dict) and item:
                visit(item, path + ".", depth + 1)
                continue
            if isinstance(item, (list, dict, bool)):
                item = json.dumps(item)
            elif item != item:
                item = "nan"
            if named(path) in flat:
                raise Damaged(f"{name} sets {shown(path)} twice")
            flat[named(path)] = named(item) if isinstance(item, str) else item
            if len(flat) > MOST_KEYS:
                raise Damaged(f"{name} has more than {MOST_KEYS} keys")

    try:
        visit(value, "", 0)
    except RecursionError:
        raise Damaged(f"{name} is nested too deeply") from None
    return flat
