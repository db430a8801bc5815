"""What the files of a run say of each other: of a run in which two disagree nothing is used.

A run of before schema version 3 has no digests and no names of itself in its files: it is read, and
marked as unverified. A forgery of all files that agrees with itself is not found.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from jepa_compare.comparison.runs import Run
from jepa_compare.metrics import PREFIX
from jepa_compare.runs import layout
from jepa_compare.runs.digests import file_digest, signed
from jepa_compare.runs.evaluation_records import Column, EvaluationFile
from jepa_compare.runs.identity import run_hash
from jepa_compare.runs.metrics_log import FILE_LIMIT, read_rows
from jepa_compare.runs.records import SCHEMA_VERSION, ConfigFile, SummaryFile
from jepa_compare.runs.untrusted import MEGABYTE, Damaged, named, read_object, shown

_JSON_LIMIT = 16 * MEGABYTE
_ROUNDING = 1e-6  # relative, by which a mean may differ from the rows behind it
_SLACK = 1e-3  # of an effective rank, which is computed in single precision
Digests = Mapping[str, str] | None
"""SHA-256 by name below the run's directory; None for a run of before version 3."""


class Contradiction(Damaged):
    """A file of a run is not the one that another speaks of, or says what cannot be."""


def verify_config(config: ConfigFile) -> None:
    """Refuse a configuration whose hash is not its own."""
    if config.schema_version < SCHEMA_VERSION:
        return
    try:
        found = run_hash(config.config)
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError):
        raise Contradiction(f"{layout.CONFIG} holds no configuration of a run") from None
    if found != config.hash:
        raise Contradiction(f"{layout.CONFIG} has the hash {config.hash}, its settings {found}")


def verify_summary(path: Path, config: ConfigFile, summary: SummaryFile) -> Digests:
    """What the summary vouches for, once all of it but evaluations and floors was checked."""
    versions = config.schema_version, summary.schema_version
    if SCHEMA_VERSION not in versions:
        return None
    if len(set(versions)) > 1:
        text = "{} is of schema version {}, {} of {}"
        raise Contradiction(text.format(layout.CONFIG, versions[0], layout.SUMMARY, versions[1]))
    if summary.run != config.hash:
        raise Contradiction(f"{layout.SUMMARY} is of run {shown(summary.run)}, not {config.hash}")
    content = read_object(path, layout.SUMMARY, limit=_JSON_LIMIT) or {}
    try:
        whole = signed(content, summary.digests) == content
    except RecursionError:  # in a key that nobody reads
        whole = False
    if not whole:
        raise Contradiction(f"{layout.SUMMARY} was changed after it was written (its own digest)")
    for name in (layout.CONFIG, layout.METRICS):
        verify_digest(path, summary.digests, name)
    _verify_steps(config, summary)
    if summary.evaluation is not None and summary.status != "diverged":
        last = _last_row(path)
        _same_metrics(layout.SUMMARY, summary.metrics, f"the last row of {layout.METRICS}", last)
    return summary.digests


def verify_digest(path: Path, digests: Digests, name: str) -> None:
    """Refuse the file `name` of the run in `path` if it is not the one with that digest."""
    if digests is None:
        return
    limit = FILE_LIMIT if name == layout.METRICS else _JSON_LIMIT
    try:
        found = file_digest(path, *name.split("/"), limit=limit)
    except Damaged as damage:
        raise Contradiction(str(damage)) from None
    if found is None and name in digests:
        raise Contradiction(f"{name} is missing")
    if found != digests.get(name):
        raise Contradiction(f"{name} is not the one that {layout.SUMMARY} speaks of (its digest)")


def verify_evaluation(run: Run, evaluation: EvaluationFile, name: str) -> None:
    """Refuse an evaluation, in the file `name`, of another run or with numbers that are not those
    of `run`, not the means of its own rows, or out of their range."""
    if evaluation.schema_version >= SCHEMA_VERSION and evaluation.run != run.hash:
        raise Contradiction(f"{name} is of run {shown(evaluation.run)}, not {run.hash}")
    if not run.unverified:
        metrics = {named(key): value for key, value in evaluation.metrics.items()}
        _same_metrics(layout.SUMMARY, run.metrics, name, metrics)
    verify_means(evaluation.tasks, evaluation.metrics, name)


def verify_ranges(run: Run) -> None:
    """Refuse a metric that its description, or the dimension of the latents, does not allow."""
    for key, value in run.metrics.items():
        metric = run.descriptions.get(key)
        if metric is not None and not metric.allows(value):
            raise Contradiction(f"{shown(key)} cannot be {value:g}")
    rank, dim = run.metrics.get("eval/rankme", math.nan), run.config.get("model.dim")
    highest = dim if isinstance(dim, int) else math.inf
    if rank < 1 - _SLACK or rank > highest + _SLACK:
        raise Contradiction(f"eval/rankme cannot be {rank:g} in {highest} dimensions")


def verify_means(
    tasks: Mapping[str, Mapping[str, Column]], metrics: Mapping[str, float | None], file: str
) -> None:
    """Refuse a metric of planning that is not the mean of its column of rows."""
    for kind, columns in tasks.items():
        measure, slash, name = kind.rpartition("/")
        for column, rows in columns.items():
            what, _, criterion = column.partition("_")
            if what == "final":
                what, criterion = "distance", ""
            key = PREFIX + measure + slash + "_".join(filter(None, (what, name, criterion)))
            numbers = [float(value) for value in rows if value is not None]
            mean = math.fsum(numbers) / len(numbers) if numbers else None
            if key in metrics and not _equal(mean, metrics[key], _ROUNDING):
                raise Contradiction(f"{file}: {shown(key)} is {metrics[key]}, its rows give {mean}")


def copies(runs: Sequence[tuple[Run, frozenset[str]]]) -> dict[int, str]:
    """Why a run, by its place, is refused: a run of another seed has the same metrics or weights,
    by the digests beside each."""
    first: dict[str, list[int]] = {}
    for place, (_, marks) in enumerate(runs):
        for mark in marks:
            first.setdefault(mark, []).append(place)
    refused = {}
    for places in first.values():
        for place in places:
            run = runs[place][0]
            others = [runs[p][0] for p in places if runs[p][0].seed != run.seed]
            if others:
                refused[place] = (
                    f"seed {run.seed} has bit for bit the metrics or weights of"
                    f" {others[0].path.name}, seed {others[0].seed}: one is a copy"
                )
    return refused


def marks(path: Path, digests: Digests) -> frozenset[str]:
    """Digests that two runs of different seeds cannot share: of metrics and of weights."""
    if digests is None:
        try:
            own = file_digest(path, layout.METRICS, limit=FILE_LIMIT)
        except Damaged:
            own = None
        return frozenset({own} if own else ())
    names = layout.METRICS, layout.EXPORT
    return frozenset(digests[name] for name in names if name in digests)


def _verify_steps(config: ConfigFile, summary: SummaryFile) -> None:
    training = config.config["training"]
    planned, done = training.get("steps"), summary.steps
    # A collapse is seen before a step, which is still done.
    stopped = training.get("on_collapse") == "stop" and summary.collapsed_at == done - 1
    if summary.status == "diverged" or stopped or type(planned) is not int or done >= planned:
        return
    raise Contradiction(f"{layout.SUMMARY} has {done} steps, {layout.CONFIG} {planned}")


def _last_row(path: Path) -> Mapping[str, float | None]:
    rows = deque(read_rows(path), maxlen=1)
    values = rows[0].values if rows and rows[0] is not None else {}
    return {key: value for key, value in values.items() if key.startswith(PREFIX)}


def _same_metrics(
    a: str, one: Mapping[str, float | None], b: str, other: Mapping[str, float | None]
) -> None:
    for key in {**one, **other}:
        if not _equal(one.get(key), other.get(key)):
            text = f"{shown(key)} is {one.get(key)} in {a}, {other.get(key)} in {b}"
            raise Contradiction(text)


def _equal(one: float | None, other: float | None, rounding: float = 0.0) -> bool:
    """NaN and None are the same: nothing was measured."""
    a, b = (math.nan if value is None else value for value in (one, other))
    return math.isclose(a, b, rel_tol=rounding, abs_tol=rounding) or (a != a and b != b)
