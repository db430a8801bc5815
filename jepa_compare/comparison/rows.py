"""Grouping runs into rows, and naming the rows.

A row's runs agree on every axis and on every unswept key that can change numbers, so that a mean
over a row is a mean over seeds. `by` replaces that by the keys that the user names.
"""

import difflib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from jepa_compare.comparison.differences import (
    LOSS,
    Differences,
    as_text,
    find_differences,
    governs,
    is_known,
    value_of,
)
from jepa_compare.comparison.losses import LOSS_KEYS
from jepa_compare.comparison.results import Row
from jepa_compare.comparison.runs import OUTCOMES, Run, Value


def resolve_keys(names: Sequence[str], runs: Sequence[Run]) -> tuple[str, ...]:
    """The config keys meant by `--by`: full names, or an unambiguous last part.

    Raises ValueError in one line for an unknown or ambiguous name.
    """
    known = {LOSS} | {key for run in runs for key in (*run.config, *run.choices, *run.provenance)}
    keys = []
    for name in names:
        found = [name] if name in known else sorted(k for k in known if k.endswith(f".{name}"))
        if not found:
            close = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ValueError(f"by={name}: no run has such a setting{hint}")
        if len(found) > 1:
            raise ValueError(f"by={name}: ambiguous, one of {', '.join(found)}")
        keys += found
    return tuple(dict.fromkeys(keys))


def group_rows(
    runs: Sequence[Run], by: Sequence[str] | None = None
) -> tuple[tuple[Row, ...], Differences, tuple[str, ...]]:
    """(rows sorted by label, differences, unswept keys that rows are averaged over).

    `by` holds resolved keys; None keeps all axes and all unswept that matters apart.
    """
    differences = find_differences(runs)
    axes = differences.axes if by is None else tuple(by)
    apart = differences.apart if by is None else ()
    groups = _group(runs, (*axes, *apart))
    keys = list(groups)
    axis_values = {key: dict(zip(axes, key, strict=False)) for key in keys}
    unswept_values = {
        key: {k: as_text(v) for k, v in zip(apart, key[len(axes) :], strict=True)} for key in keys
    }
    labels = _labels(
        [axis_values[key] for key in keys],
        [unswept_values[key] for key in keys],
        groups[keys[0]][0].loss if keys else "",
    )
    averaged = tuple(key for key in differences.axes if key not in axes)
    rows = [
        replace(_row(label, axis_values[key], unswept_values[key], groups[key]), averaged=averaged)
        for label, key in zip(labels, keys, strict=True)
    ]
    pooled = tuple(key for key in differences.unswept if key not in apart and key not in axes)
    return tuple(sorted(rows, key=lambda row: row.label)), differences, pooled


def _row(label: str, axes: dict[str, Value], unswept: dict[str, str], runs: Sequence[Run]) -> Row:
    counts = Counter(run.outcome for run in runs)
    targets = sorted({run.target for run in runs})
    return Row(
        label=label,
        axes=axes,
        unswept=unswept,
        runs=tuple(sorted(runs, key=lambda run: (run.seed, str(run.path)))),
        counts={outcome: counts[outcome] for outcome in OUTCOMES if counts[outcome]},
        target=" | ".join(targets),
    )


def _group(runs: Sequence[Run], keys: tuple[str, ...]) -> dict[tuple[Value, ...], list[Run]]:
    """Runs by their values of `keys`.

    What an unfinished run has not recorded yet matches anything: it joins the largest row that
    agrees on the rest, so that a failure is counted where it belongs.
    """
    groups: dict[tuple[Value, ...], list[Run]] = defaultdict(list)
    unfinished = []
    for run in runs:
        if all(is_known(run, key) for key in keys):
            groups[tuple(value_of(run, key) for key in keys)].append(run)
        else:
            unfinished.append(run)
    finished = sorted(groups, key=lambda key: (-len(groups[key]), str(key)))
    for run in unfinished:
        wanted = [value_of(run, key) if is_known(run, key) else ... for key in keys]
        match = next((group for group in finished if _agrees(group, wanted)), None)
        groups[match or tuple(value_of(run, key) for key in keys)].append(run)
    return groups


def _agrees(group: tuple[Value, ...], wanted: Sequence[object]) -> bool:
    return all(want is ... or want == value for want, value in zip(wanted, group, strict=True))


def _labels(
    axes: Sequence[dict[str, Value]], unswept_of: Sequence[dict[str, str]], loss: str
) -> list[str]:
    """Short and unique names: the loss, then "key=value" for what the loss does not imply.

    A setting of the loss itself is named only where it varies for that loss. Unswept settings stand
    in brackets, of several keys that go together only the first.
    """
    shown = short_names([key for key in (axes[0] if axes else {}) if key not in LOSS_KEYS])
    together = short_names(_one_of_each(unswept_of))

    def varies(key: str, own: dict[str, Value], values: Sequence[Mapping[str, Value]]) -> bool:
        if LOSS not in own or not governs(LOSS, key):
            return True
        same = [v[key] for v, other in zip(values, axes, strict=True) if other[LOSS] == own[LOSS]]
        return len(set(same)) > 1

    labels = []
    for own, unswept in zip(axes, unswept_of, strict=True):
        parts = [str(own[key]) for key in LOSS_KEYS if key in own][:1]
        parts += [
            f"{short}={as_text(own[k])}" for k, short in shown.items() if varies(k, own, axes)
        ]
        label = " · ".join(parts) or loss
        found = [
            f"{s}={_cut(k, unswept)}" for k, s in together.items() if varies(k, own, unswept_of)
        ]
        labels.append(label + (f" [{', '.join(found)}]" if found else ""))
    times = Counter(labels)
    seen: Counter[str] = Counter()
    for index, label in enumerate(labels):  # values cut to the same text
        if times[label] > 1:
            seen[label] += 1
            labels[index] = f"{label} ({seen[label]})"
    return labels


def _cut(key: str, unswept: Mapping[str, str]) -> str:
    """A unswept value, short enough for a label."""
    return unswept[key][: 8 if key == "git.commit" else 24]


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """The last part of each key, or the whole key where that is ambiguous."""
    last = Counter(key.rpartition(".")[2] for key in keys)
    return {key: tail if last[tail := key.rpartition(".")[2]] == 1 else key for key in keys}


def _one_of_each(unswept: Sequence[dict[str, str]]) -> list[str]:
    """Of keys that divide the rows in the same way, the first; settings before surroundings."""
    surroundings = ("versions.", "hardware.", "git.", "flags.", "environment.")
    keys = sorted(unswept[0] if unswept else {}, key=lambda key: key.startswith(surroundings))
    chosen: dict[tuple[int, ...], str] = {}
    for key in keys:
        values = [row[key] for row in unswept]
        chosen.setdefault(tuple(values.index(value) for value in values), key)
    return list(chosen.values())
