"""From the files of one directory to a `Run`, by stated rules.

A run needs a whole config.json. Every other file may be missing or damaged: what it would have said
is then missing, a note says so, and the run is kept. A run counts with numbers only if its summary
is whole and its status does not contradict it. A run whose files contradict each other is left out
(`verify`).
"""

import re
from dataclasses import replace
from pathlib import Path

from jepa_compare.comparison.loading.summary import (
    FindFloor,
    Note,
    evaluation_names,
    read_evaluation,
    with_evaluation,
    with_later_evaluation,
    with_summary,
)
from jepa_compare.comparison.loading.verify import (
    Contradiction,
    Digests,
    marks,
    verify_config,
    verify_digest,
    verify_summary,
)
from jepa_compare.comparison.runs import Run
from jepa_compare.runs import layout
from jepa_compare.runs.reader import read_record
from jepa_compare.runs.records import (
    SCHEMA_VERSION,
    ConfigFile,
    Failure,
    State,
    StatusFile,
    SummaryFile,
)
from jepa_compare.runs.untrusted import Damaged, flatten, named, shown

SILENT_AFTER = 300.0
"""Seconds without a heartbeat after which a run that says "running" counts as interrupted."""
NO_PROGRESS_AFTER = 60.0
"""Seconds without progress after which a running run says so."""

_HASH = re.compile(r"[0-9a-f]{8,64}")
_MOST_OVERRIDES = 1000
_LATEST = 1e15  # of a time


def parse_run(
    path: Path, note: Note, floors: FindFloor, now: float, evaluation: str | None = None
) -> tuple[Run, frozenset[str]]:
    """The run in directory `path`, and what no run of another seed shares with it (`verify.marks`);
    raises `Damaged` if it cannot be identified, or contradicts itself.

    `floors(path, policy, key)` looks up a floor; against `now` a heartbeat is old. `evaluation` is
    the name of the one to take in place of the summary's; `Damaged` also if the run has it not.
    What a study selected by, its trials and confirming runs, always has the summary's.
    """
    config = _read_config(path)
    verify_config(config)
    digests: Digests = None
    unread = ""
    try:
        status = _read_status(path)
    except Damaged as damage:
        unread = str(damage)
        note(path / layout.STATUS, "file", unread)
        status = None
    run = _run(path, config, status, now, unread)
    try:
        summary = read_record(SummaryFile, path, layout.SUMMARY)
        if summary is not None:
            digests = verify_summary(path, config, summary)
            run = _finished(with_summary(run, summary, floors), status)
    except Contradiction:
        raise
    except Damaged as damage:
        note(path / layout.SUMMARY, "file", str(damage))
        summary = None
    if evaluation is not None and (config.study is None or config.study.stage == "report"):
        run = with_later_evaluation(run, evaluation, floors, digests)
    elif run.evaluation is not None:
        verify_digest(path, digests, f"{layout.EVALUATIONS}/{run.evaluation}.json")
        try:
            run = with_evaluation(run, read_evaluation(path, run.evaluation))
        except Contradiction:
            raise
        except Damaged as damage:
            file = path / layout.EVALUATIONS / f"{run.evaluation}.json"
            note(file, "file", str(damage))
    if summary is None:
        return run, frozenset()
    others = tuple(name for name in evaluation_names(path) if name != run.evaluation)
    return replace(run, other_evaluations=others), marks(path, digests)


def _read_config(path: Path) -> ConfigFile:
    config = read_record(ConfigFile, path, layout.CONFIG)
    if config is None:
        raise Damaged(f"no {layout.CONFIG}")
    if not config.name.strip():
        raise Damaged(f"{layout.CONFIG} has no name")
    if not _HASH.fullmatch(config.hash):
        raise Damaged(f"{layout.CONFIG} has no valid hash")
    if len(config.overrides) > _MOST_OVERRIDES:
        raise Damaged(f"{layout.CONFIG} has more than {_MOST_OVERRIDES} overrides")
    return config


def _read_status(path: Path) -> StatusFile | None:
    status = read_record(StatusFile, path, layout.STATUS)
    if status is None:
        return None
    times = (status.heartbeat, status.started or 0.0, status.ended or 0.0)
    if max(map(abs, times)) > _LATEST:
        raise Damaged(f"{layout.STATUS} has a time that cannot be")
    return status


def _run(path: Path, config: ConfigFile, status: StatusFile | None, now: float, unread: str) -> Run:
    """The run without a result: who it is, and how far it got; `unread`: why its status was not."""
    settings = flatten(config.config, layout.CONFIG)
    name = named(config.name)
    if settings.get("seed", config.seed) != config.seed:
        raise Damaged(f"{layout.CONFIG} contradicts itself: two seeds")
    if settings.get("aux_loss.name", name) != name:
        raise Damaged(f"{layout.CONFIG} contradicts itself: two names")
    state, reason = _state(status, now, unread)
    return Run(
        path=path,
        name=name,
        seed=config.seed,
        hash=config.hash,
        config=settings,
        choices={
            named(group): "null" if option is None else named(option)
            for group, option in config.choices.items()
        },
        overrides=tuple(named(override) for override in config.overrides),
        state=state,
        status=None,
        reason=reason,
        step=status.step if status else 0,
        steps=status.steps if status else 0,
        started=status.started if status else None,
        ended=status.ended if status else None,
        unverified=config.schema_version < SCHEMA_VERSION,
        study=config.study,
    )


def _state(status: StatusFile | None, now: float, unread: str) -> tuple[State, str]:
    """State and reason of a run without a result."""
    if status is None:
        why = f" ({unread})" if unread else ""
        return "failed", f"no readable {layout.STATUS}{why} and no {layout.SUMMARY}"
    if status.state == "completed":
        return "failed", f"no readable {layout.SUMMARY}"
    if status.state == "running":
        silent = now - status.heartbeat
        if silent > SILENT_AFTER:
            return "interrupted", f"no sign of life for {silent / 3600:.1f} h"
        if silent < -SILENT_AFTER:
            ahead = f"its heartbeat is {-silent / 3600:.1f} h in the future"
            return "interrupted", f"{ahead}: a clock is wrong, or the file"
        if status.without_progress > NO_PROGRESS_AFTER:
            return "running", f"no progress for {status.without_progress:.0f} s"
    return status.state, _text(status.exception)


def _text(failure: Failure | None) -> str:
    if failure is None:
        return ""
    return shown(f"{shown(failure.type)}: {shown(failure.message)}".strip(": "))


def _finished(run: Run, status: StatusFile | None) -> Run:
    """The run with its summary, and with its own status only if it says that it finished."""
    if run.status == "diverged":
        return replace(run, state="failed")
    if status is not None and status.state in ("failed", "interrupted"):
        reason = run.reason or f"{status.state} after {layout.SUMMARY}"
        return replace(run, status=None, reason=reason)
    # The summary is written last: where the status still says "running", only that one is lost.
    return replace(run, state="completed", reason=run.reason if run.status != "healthy" else "")
