"""metrics.jsonl line by line, as long as it may be: the only reader of that file."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import NoneType

from jepa_compare.runs import layout
from jepa_compare.runs.codec import decode
from jepa_compare.runs.records import MetricsRow
from jepa_compare.runs.untrusted import MEGABYTE, open_regular, regular_file, unique

FILE_LIMIT = 1024 * MEGABYTE
LINE_LIMIT = MEGABYTE
_DECODER = json.JSONDecoder(object_pairs_hook=unique)
_PLAIN = {float, NoneType}


def read_rows(directory: Path) -> Iterator[MetricsRow | None]:
    """Each line of the run's metrics, None for one that is damaged; blank lines are passed over.

    Nothing when there is no file; raises `Damaged` when it is a link, not a regular file, over the
    limit or unreadable.
    """
    path = regular_file(directory, layout.METRICS)
    if path is None:
        return
    with open_regular(path, layout.METRICS, FILE_LIMIT) as file:
        while line := file.readline(LINE_LIMIT):
            whole = len(line) < LINE_LIMIT or line.endswith(b"\n")
            rest = line
            while not whole and rest and not rest.endswith(b"\n"):
                rest = file.readline(LINE_LIMIT)  # pass over the rest of a line that is too long
            if not line.isspace():
                yield _row(line) if whole else None


def _row(line: bytes) -> MetricsRow | None:
    try:
        text = line.decode().strip()
        values, end = _DECODER.raw_decode(text)  # json.loads takes half as long again
        if end != len(text) or not isinstance(values, dict):
            return None
        step = values.pop("step", None)
        if type(step) is int and 0 <= step < 2**63 and set(map(type, values.values())) <= _PLAIN:
            return MetricsRow(step=step, values=values)  # nearly all: 10,000 runs have millions
        return decode(MetricsRow, {"step": step, "values": values}, layout.METRICS)
    except (ValueError, RecursionError):  # `Damaged` is a ValueError
        return None
