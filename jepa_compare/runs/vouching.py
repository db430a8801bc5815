"""What a finished run's summary vouches for, once another evaluation has been added to it."""

from pathlib import Path

from jepa_compare.runs import layout
from jepa_compare.runs.digests import file_digest, floor_digests, signed
from jepa_compare.runs.lock import DirectoryLock
from jepa_compare.runs.records import SCHEMA_VERSION
from jepa_compare.runs.writer import EXIT_SECONDS, read_summary
from jepa_compare.system import files


def vouch_for_evaluation(directory: Path, name: str) -> None:
    """Add evaluations/<name>.json, and the floors that it used, to what the run's summary vouches
    for, under the run's lock. A summary of before version 3 vouches for nothing, and stays.

    Raises Locked if another process goes on writing into the directory.
    """
    parts = layout.EVALUATIONS, f"{name}.json"
    with DirectoryLock(directory, patience=EXIT_SECONDS):
        summary = files.read_json(directory / layout.SUMMARY)
        digest = file_digest(directory, *parts)
        if summary["schema_version"] < SCHEMA_VERSION or digest is None:
            return
        floors = files.read_json(directory.joinpath(*parts))["floors"].values()
        digests = summary["digests"] | floor_digests(directory, floors) | {"/".join(parts): digest}
        files.write_json(directory / layout.SUMMARY, signed(summary, digests))


def is_vouched_for(directory: Path, name: str) -> bool:
    """Whether evaluations/<name>.json is there, and as the run's summary knows it."""
    parts = layout.EVALUATIONS, f"{name}.json"
    summary, digest = read_summary(directory), file_digest(directory, *parts)
    if summary is None or summary.schema_version < SCHEMA_VERSION:
        return digest is not None
    return digest is not None and summary.digests.get("/".join(parts)) == digest
