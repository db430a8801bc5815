"""Which files a summary vouches for: SHA-256 digests, as the writer makes them."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jepa_compare.runs import layout
from jepa_compare.runs.untrusted import MEGABYTE, open_regular, regular_file

_LIMIT = 1 << 40
_CHUNK = 4 * MEGABYTE


def file_digest(directory: Path, *parts: str) -> str | None:
    """SHA-256 of a file below `directory`, 64 hex digits; None when there is no such file.

    Raises `Damaged` for a link and for what is not a regular file.
    """
    path = regular_file(directory, *parts)
    if path is None:
        return None
    sha = hashlib.sha256()
    with open_regular(path, "/".join(parts), _LIMIT) as file:
        while chunk := file.read(_CHUNK):
            sha.update(chunk)
    return sha.hexdigest()


def signed(summary: Mapping[str, Any], digests: Mapping[str, str]) -> dict[str, Any]:
    """The plain content of summary.json with `digests`, and its own among them.

    The summary's own digest is that of its content without it: a file cannot hold its whole hash.
    """
    others = {name: digest for name, digest in digests.items() if name != layout.SUMMARY}
    content = {**summary, "digests": others}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    own = hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
    return {**content, "digests": {**others, layout.SUMMARY: own}}


def run_digests(directory: Path, floors: Iterable[str]) -> dict[str, str]:
    """By name below the run's `directory`: config, metrics, weights, evaluations and `floors`,
    by key, which may lie in the sweep's directory. Of files that are there."""
    evaluations = sorted((directory / layout.EVALUATIONS).glob("*.json"))
    names = [layout.CONFIG, layout.METRICS, layout.EXPORT]
    names += [f"{layout.EVALUATIONS}/{path.name}" for path in evaluations]
    digests = {name: file_digest(directory, *name.split("/")) for name in names}
    digests |= floor_digests(directory, floors)
    return {name: digest for name, digest in digests.items() if digest is not None}


def floor_digests(directory: Path, floors: Iterable[str]) -> dict[str, str]:
    """Those of the floors with these keys, of the run itself or of its sweep."""
    digests = {}
    for key in floors:
        parts = layout.FLOORS, f"{key}.json"
        digest = file_digest(directory, *parts) or file_digest(directory.parent, *parts)
        if digest is not None:
            digests["/".join(parts)] = digest
    return digests
