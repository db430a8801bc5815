"""Run directories edited by hand whose files vouch for each other all the same.

A test that is about something else than an edit's discovery changes files and calls `resign`, or
`rename` where what it changed is in the run's hash.
"""

import json
from pathlib import Path
from typing import Any

from jepa_compare.runs import layout
from jepa_compare.runs.digests import run_digests, signed
from jepa_compare.runs.identity import run_hash


def sign(run: Path, summary: dict[str, Any]) -> None:
    """Write summary.json of the run, which vouches for all the other files."""
    keys = set(summary["floors"].values())
    for file in (run / layout.EVALUATIONS).glob("*.json"):
        keys |= set(_floors(file))
    (run / layout.SUMMARY).write_text(json.dumps(signed(summary, run_digests(run, sorted(keys)))))


def resign(run: Path) -> None:
    """Sign the summary that is there again."""
    sign(run, json.loads((run / layout.SUMMARY).read_text()))


def rename(run: Path) -> None:
    """Give the run the hash of its edited configuration, in all its files."""
    config = json.loads((run / layout.CONFIG).read_text())
    config["hash"] = run_hash(config["config"])
    (run / layout.CONFIG).write_text(json.dumps(config))
    for file in [run / layout.SUMMARY, *(run / layout.EVALUATIONS).glob("*.json")]:
        if file.exists():
            content = json.loads(file.read_text())
            file.write_text(json.dumps(content | {"run": config["hash"]}))
    if (run / layout.SUMMARY).exists():
        resign(run)


def _floors(file: Path) -> list[str]:
    try:
        return list(json.loads(file.read_text()).get("floors", {}).values())
    except (ValueError, AttributeError):
        return []
