"""From the files of one directory to a `Run`, by stated rules.

A run needs a readable config.json. Every other file may be missing or damaged: what it would have
said is then missing, a note says so, and the run is kept. A run counts with numbers only if its
summary is readable and its status does not contradict it.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast, get_args

from jepa_compare.comparison.runs import Run
from jepa_compare.comparison.summary import (
    FindFloor,
    Note,
    choose_evaluation,
    evaluation_names,
    parse_evaluation,
    parse_summary,
)
from jepa_compare.runs import layout
from jepa_compare.runs.layout import State, Status
from jepa_compare.runs.untrusted import (
    MEGABYTE,
    Damaged,
    flatten,
    integer,
    named,
    number,
    quoted,
    read_object,
    require_schema,
    shown,
)

CONFIG_LIMIT = MEGABYTE
STATUS_LIMIT = MEGABYTE
SUMMARY_LIMIT = 4 * MEGABYTE
SILENT_AFTER = 300.0
"""Seconds without a heartbeat after which a run that says "running" counts as interrupted."""

_HASH = re.compile(r"[0-9a-f]{8,64}")


def parse_run(
    path: Path, note: Note, floors: FindFloor, now: float, evaluation: str | None = None
) -> Run:
    """The run in directory `path`; raises `Damaged` if it cannot be identified.

    `floors(path, policy, key)` looks up a floor; against `now` a heartbeat is old. `evaluation` is
    the name of the one to take in place of the summary's; `Damaged` also if the run has it not.
    """
    config = read_object(path, layout.CONFIG, limit=CONFIG_LIMIT)
    if config is None:
        raise Damaged(f"no {layout.CONFIG}")
    require_schema(config, layout.CONFIG, layout.SCHEMA_VERSION)
    name = config.get("name")
    if not isinstance(name, str) or not name.strip():
        raise Damaged(f"{layout.CONFIG} has no name")
    seed = integer(config.get("seed"), f"the seed in {layout.CONFIG}", low=-(2**63))
    identity = config.get("hash")
    if not isinstance(identity, str) or not _HASH.fullmatch(identity):
        raise Damaged(f"{layout.CONFIG} has no valid hash")
    settings = flatten(config.get("config"), layout.CONFIG)
    if settings.get("seed", seed) != seed:
        raise Damaged(f"{layout.CONFIG} contradicts itself: two seeds")
    if settings.get("aux_loss.name", named(name)) != named(name):
        raise Damaged(f"{layout.CONFIG} contradicts itself: two names")
    overrides = config.get("overrides")
    if not isinstance(overrides, list) or len(overrides) > 1000:
        overrides = []
    fields: dict[str, Any] = {
        "path": path,
        "name": named(name),
        "seed": seed,
        "hash": identity,
        "config": settings,
        "choices": {
            key: "null" if choice is None else str(choice)
            for key, choice in flatten(config.get("choices"), "choices").items()
        },
        "overrides": tuple(named(item) for item in overrides if isinstance(item, str)),
        "status": None,
    }

    def part(what: Callable[[], dict[str, Any] | None], file: str) -> dict[str, Any] | None:
        try:
            return what()
        except Damaged as damage:
            note(path / file, "file", str(damage))
            return None

    status = part(lambda: read_object(path, layout.STATUS, limit=STATUS_LIMIT), layout.STATUS)
    summary = part(lambda: _read_summary(path), layout.SUMMARY)
    fields |= _progress(path, status, summary is not None, note, now)
    if summary is not None:
        fields |= parse_summary(path, summary, note, floors)
        _apply_status(fields)
    if evaluation is not None:
        fields |= choose_evaluation(path, evaluation, fields, note, floors)
    elif summary is not None:
        fields |= parse_evaluation(path, fields, note)
    if summary is not None:
        others = [name for name in evaluation_names(path) if name != fields["evaluation"]]
        fields["other_evaluations"] = tuple(others)
    return Run(**fields)


def _read_summary(path: Path) -> dict[str, Any] | None:
    summary = read_object(path, layout.SUMMARY, limit=SUMMARY_LIMIT)
    if summary is not None:
        require_schema(summary, layout.SUMMARY, layout.SCHEMA_VERSION)
        if summary.get("status") not in get_args(Status):
            raise Damaged(f"{layout.SUMMARY} has no valid status")
    return summary


def _progress(
    path: Path, status: dict[str, Any] | None, has_summary: bool, note: Note, now: float
) -> dict[str, Any]:
    """State, reason, steps and times from status.json, which may be absent or nonsense."""

    def value(key: str) -> float | None:
        try:
            found = number((status or {}).get(key))
        except Damaged as damage:
            note(path / layout.STATUS, "value", f"{key}: {damage}")
            return None
        return found if math.isfinite(found) and abs(found) < 1e15 else None

    state: State = "completed" if has_summary else "failed"
    reason = "" if has_summary else f"no readable {layout.STATUS} and no {layout.SUMMARY}"
    found = None if status is None else status.get("state")
    if found in get_args(State):
        state = cast(State, found)
        reason = "" if has_summary or state != "completed" else f"no readable {layout.SUMMARY}"
        heartbeat = value("heartbeat")
        if has_summary and state in ("running", "queued"):
            state = "completed"  # the summary is written last: only the last status is lost
        elif state == "completed" and not has_summary:
            state = "failed"
        elif state == "running" and heartbeat is not None and now - heartbeat > SILENT_AFTER:
            state = "interrupted"
            reason = f"no sign of life for {(now - heartbeat) / 3600:.1f} h"
        elif state in ("failed", "interrupted"):
            reason = _exception(status)
    elif status is not None:
        note(path / layout.STATUS, "value", f"unknown state {quoted(found)}")
    return {
        "state": state,
        "reason": reason,
        "step": int(value("step") or 0),
        "steps": int(value("steps") or 0),
        "started": value("started"),
        "ended": value("ended"),
    }


def _exception(status: dict[str, Any] | None) -> str:
    raised = (status or {}).get("exception")
    if not isinstance(raised, dict):
        return ""
    kind, message = shown(raised.get("type", "?")), shown(raised.get("message", ""))
    return shown(f"{kind}: {message}".strip(": "))


def _apply_status(fields: dict[str, Any]) -> None:
    """Withdraw the status of a run whose status says that it did not finish."""
    if fields["status"] == "diverged":
        fields["state"] = "failed"
    elif fields["state"] in ("failed", "interrupted"):
        fields["reason"] = fields["reason"] or f"{fields['state']} after {layout.SUMMARY}"
        fields["status"] = None
