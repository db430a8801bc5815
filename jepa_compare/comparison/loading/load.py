"""Finding runs on disk: `load_runs`.

A directory is taken for a run when it holds one of a run's own files, wherever it lies and whatever
it is called. Links below the given folders are not followed. What looks like a run and cannot be
used is listed in `Runs.left_out`; nothing is dropped silently.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from jepa_compare.comparison.loading.history import damaged_lines
from jepa_compare.comparison.loading.parse import parse_run
from jepa_compare.comparison.loading.summary import is_evaluation_name, read_floor
from jepa_compare.comparison.loading.verify import copies
from jepa_compare.comparison.runs import Floor, LeftOut, Run, Runs, What
from jepa_compare.metrics import agree
from jepa_compare.runs import layout
from jepa_compare.runs.reader import read_record
from jepa_compare.runs.study_records import StudyFile
from jepa_compare.runs.untrusted import Damaged, shown

_OWN_FILES = frozenset({layout.CONFIG, layout.STATUS, layout.METRICS, layout.SUMMARY})
_OWN_FOLDERS = frozenset(
    {layout.EVALUATIONS, layout.FIGURES, layout.FLOORS, layout.COMPARISON, ".hydra", "wandb"}
)  # of a run: they hold no further runs


class NoRunsError(ValueError):
    """There is nothing to compare; the message says where was looked."""


def load_runs(*paths: str | Path, evaluation: str | None = None, now: float | None = None) -> Runs:
    """Every run at or below `paths`: run directories, sweeps, or folders above them.

    `evaluation` is the name of a later evaluation (evaluations/<name>.json), whose metrics, tasks
    and floors are taken in place of those of the end of the run; runs without it are left out.
    `now` (Unix time, default the clock) is the time against which a heartbeat is old. Of two
    directories with the same loss, hash and seed one is kept: the one with a result, then the one
    with its tasks' outcomes, then the later one.
    Raises `NoRunsError` (a ValueError) when a path does not exist, ValueError for an `evaluation`
    that no file can have as its name.
    """
    roots = tuple(dict.fromkeys(Path(path).resolve() for path in paths))
    for root in roots:
        if not root.is_dir():
            raise NoRunsError(f"{root} is not a directory")
    if evaluation is not None and not is_evaluation_name(evaluation):
        raise ValueError(
            f"evaluation={shown(evaluation)}: must be the name of a file in"
            f" {layout.EVALUATIONS}/, without .json"
        )
    left_out: list[LeftOut] = []
    cache: dict[tuple[Path, str, str, str | None], Floor | None] = {}
    clock = time.time() if now is None else now

    def note(path: Path, what: What, reason: str) -> None:
        left_out.append(LeftOut(path=path, what=what, reason=shown(reason)))

    def floors(path: Path, policy: str, key: str, digest: str | None) -> Floor | None:
        """Runs of one sweep share its floors: read each once."""
        has_floors = (path / layout.FLOORS).is_dir()
        slot = (path if has_floors else path.parent, policy, key, digest)
        if slot not in cache:
            try:
                cache[slot] = read_floor(path, policy, key, digest)
            except Damaged as damage:
                note(slot[0] / layout.FLOORS, "file", str(damage))
                cache[slot] = None
        return cache[slot]

    found: list[tuple[Run, frozenset[str]]] = []
    for path in dict.fromkeys(_directories(roots, left_out)):
        try:
            found.append(parse_run(path, note, floors, clock, evaluation))
        except Damaged as damage:
            note(path, "run", str(damage))
            continue
        try:
            skipped = damaged_lines(path)
        except Damaged as damage:
            note(path / layout.METRICS, "file", str(damage))
            continue
        if skipped:
            reason = "not a JSON object of a step and numbers"
            left_out.append(
                LeftOut(path=path / layout.METRICS, what="lines", reason=reason, count=skipped)
            )
    copied = copies(found)
    for place, reason in copied.items():
        note(found[place][0].path, "run", reason)
    runs = [run for place, (run, _) in enumerate(found) if place not in copied]
    kept = _described_alike(_without_duplicates(runs, left_out), left_out)
    studies = _studies(kept, left_out)
    return Runs(
        runs=tuple(run for run in kept if run.study is None or run.study.id in studies),
        left_out=tuple(dict.fromkeys(left_out)),
        roots=roots,
        studies=studies,
    )


def _studies(runs: list[Run], left_out: list[LeftOut]) -> dict[str, StudyFile]:
    """The studies of `runs`, by id, from the sweeps that the runs lie in. A run whose study cannot
    be read is left out: what it is to be compared with is not known."""
    studies: dict[str, StudyFile] = {}
    for folder in dict.fromkeys(run.path.parent for run in runs if run.study is not None):
        try:
            study = read_record(StudyFile, folder, layout.STUDY)
        except Damaged as damage:
            left_out.append(LeftOut(path=folder / layout.STUDY, what="file", reason=str(damage)))
        else:
            if study is not None:
                studies[study.id] = study
    for run in runs:
        if run.study is not None and run.study.id not in studies:
            reason = f"no {layout.STUDY} beside it of its study {shown(run.study.id)}"
            left_out.append(LeftOut(path=run.path, what="run", reason=reason))
    return studies


def _directories(roots: tuple[Path, ...], left_out: list[LeftOut]) -> Iterator[Path]:
    """Directories that hold a run's file, in a stable order, without following a link."""
    stack = list(reversed(roots))
    while stack:
        folder = stack.pop()
        try:
            with os.scandir(folder) as entries:
                sorted_entries = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            reason = f"cannot be listed: {error.strerror}"
            left_out.append(LeftOut(path=folder, what="folder", reason=reason))
            continue
        is_run = any(entry.name in _OWN_FILES for entry in sorted_entries)
        if is_run:
            yield folder
        below = []
        for entry in sorted_entries:
            if is_run and entry.name in _OWN_FOLDERS:
                continue
            if entry.is_symlink():
                if entry.name not in _OWN_FILES and _is_folder(entry):
                    left_out.append(
                        LeftOut(path=Path(entry.path), what="link", reason="links are not followed")
                    )
            elif _is_folder(entry, follow_symlinks=False):
                below.append(Path(entry.path))
        stack.extend(reversed(below))


def _is_folder(entry: os.DirEntry[str], follow_symlinks: bool = True) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow_symlinks)
    except OSError:  # a loop of links
        return False


def _without_duplicates(runs: list[Run], left_out: list[LeftOut]) -> list[Run]:
    """One run for each (name, hash, seed), sorted by loss, seed, hash and path."""
    best: dict[tuple[str, str, int], Run] = {}
    for run in sorted(runs, key=lambda run: str(run.path)):
        identity = run.name, run.hash, run.seed
        other = best.get(identity)
        if other is None:
            best[identity] = run
            continue
        keep, drop = (run, other) if _rank(run) > _rank(other) else (other, run)
        best[identity] = keep
        differ = keep.metrics != drop.metrics and bool(drop.metrics)
        reason = f"the same run (hash {run.hash}, seed {run.seed}) as {keep.path}"
        left_out.append(
            LeftOut(path=drop.path, what="run", reason=reason + ", other numbers" * differ)
        )
    return sorted(best.values(), key=lambda run: (run.loss, run.seed, run.hash, str(run.path)))


def _described_alike(runs: list[Run], left_out: list[LeftOut]) -> list[Run]:
    """The runs that describe their metrics as most do: two descriptions of a key are no metric."""
    _, refused = agree([run.descriptions for run in runs])
    left_out += [
        LeftOut(path=runs[place].path, what="run", reason=reason)
        for place, reason in refused.items()
    ]
    return [run for place, run in enumerate(runs) if place not in refused]


def _rank(run: Run) -> tuple[bool, bool, float]:
    return run.status is not None, bool(run.tasks), run.ended or run.started or 0.0
