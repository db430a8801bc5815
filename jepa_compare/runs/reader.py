"""A file of a run directory as its record, for readers that trust nothing: `read_record`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from jepa_compare.runs import version_1
from jepa_compare.runs.codec import decode
from jepa_compare.runs.evaluation_records import EvaluationFile, FloorFile
from jepa_compare.runs.records import SCHEMA_VERSION, ConfigFile, StatusFile, SummaryFile
from jepa_compare.runs.study_records import StudyFile
from jepa_compare.runs.untrusted import MEGABYTE, Damaged, read_object, shown

T = TypeVar("T")
_LIMITS: dict[type, int] = {
    ConfigFile: MEGABYTE,
    StatusFile: MEGABYTE,
    SummaryFile: 4 * MEGABYTE,
    StudyFile: 4 * MEGABYTE,
    EvaluationFile: 16 * MEGABYTE,  # a hundred times what a thousand tasks of three kinds take
    FloorFile: 16 * MEGABYTE,
}
_UPGRADES: dict[type, Callable[[dict[str, Any]], dict[str, Any]]] = {
    ConfigFile: version_1.upgrade_config,
    SummaryFile: version_1.upgrade_summary,
}


def read_record(kind: type[T], directory: Path, *parts: str) -> T | None:
    """What the file below `directory` holds; None when there is no such file.

    A file of version 1 is brought to today's shape, and its record keeps `schema_version` 1. Raises
    `Damaged`, which names the file, where anything is missing, of another type or out of bounds.
    """
    content = read_object(directory, *parts, limit=_LIMITS[kind])
    if content is None:
        return None
    name = "/".join(parts)
    if kind is not StatusFile:  # which never changed its shape
        version = content.get("schema_version")
        if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
            raise Damaged(
                f"{name} has schema version {shown(version)}, this package reads {SCHEMA_VERSION}"
            )
        if version == 1 and kind in _UPGRADES:
            content = _UPGRADES[kind](content)
        if kind is SummaryFile:
            content = version_1.rename_status(content)
    return decode(kind, content, name)
