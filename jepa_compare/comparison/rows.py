"""Grouping runs into rows, and naming the rows.

A row's runs agree on every axis and on every unswept key that can change numbers, so that a mean
over a row is a mean over seeds. `by` replaces that by the keys that the user names.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from jepa_compare.checks import did_you_mean
from jepa_compare.comparison.differences import (
    LOSS,
    LOSS_KEYS,
    Differences,
    as_text,
    governs,
    is_known,
    value_of,
)
from jepa_compare.comparison.results import Row
from jepa_compare.comparison.runs import OUTCOMES, Run, Value
from jepa_compare.runs.identity import HARMLESS


def resolve_keys(names: Sequence[str], runs: Sequence[Run]) -> tuple[str, ...]:
    """The config keys meant by `--by`: full names, or an unambiguous last part.

    Raises ValueError in one line for an unknown or ambiguous name.
    """
    known = {LOSS} | {key for run in runs for key in (*run.config, *run.choices, *run.provenance)}
    keys: list[str] = []
    for name in names:
        meant = [name] if name in known else sorted(k for k in known if k.endswith(f".{name}"))
        if not meant:
            hint = did_you_mean(name, sorted(known))
            raise ValueError(f"by={name}: no run has such a setting{hint}")
        if len(meant) > 1:
            raise ValueError(f"by={name}: ambiguous, one of {', '.join(meant)}")
        keys += meant
    return tuple(dict.fromkeys(keys))


def group_rows(
    runs: Sequence[Run], differences: Differences, by: Sequence[str] | None = None
) -> tuple[Row, ...]:
    """The rows of at least one run, sorted by label.

    `by` holds resolved keys; None keeps all axes, and all unswept settings that matter, apart.
    """
    axes, apart = differences.axes, [key for key in differences.unswept if key not in HARMLESS]
    if by is not None:
        axes, apart = tuple(by), []
    groups = _group(runs, (*axes, *apart))
    axis_values = [dict(zip(axes, key, strict=False)) for key in groups]
    unswept = [
        {k: as_text(value) for k, value in zip(apart, key[len(axes) :], strict=True)}
        for key in groups
    ]
    labels = _labels(axis_values, unswept, runs[0].loss)
    rows = [
        Row(
            label=label,
            axes=values,
            unswept=others,
            runs=tuple(sorted(members, key=lambda run: (run.seed, str(run.path)))),
            counts={o: n for o in OUTCOMES if (n := sum(run.outcome == o for run in members))},
            target=" | ".join(sorted({run.target for run in members})),
            averaged=tuple(key for key in differences.axes if key not in axes),
        )
        for label, values, others, members in zip(
            labels, axis_values, unswept, groups.values(), strict=True
        )
    ]
    return tuple(sorted(rows, key=lambda row: row.label))


def _group(runs: Sequence[Run], keys: tuple[str, ...]) -> dict[tuple[Value, ...], list[Run]]:
    """Runs by their values of `keys`.

    What an unfinished run has not recorded yet matches anything: it joins the largest row that
    agrees on the rest, so that a failure is counted where it belongs.
    """
    groups: dict[tuple[Value, ...], list[Run]] = defaultdict(list)
    unfinished: list[Run] = []
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
    axes: Sequence[Mapping[str, Value]], unswept: Sequence[Mapping[str, str]], loss: str
) -> list[str]:
    """Short and unique names: the loss, then "key=value" for what the loss does not imply.

    A setting of the loss itself is named only where it varies for that loss. Unswept settings stand
    in brackets, of several keys that go together only the first.
    """
    shown = short_names([key for key in axes[0] if key not in LOSS_KEYS])
    together = short_names(_one_of_each(unswept))

    def varies(key: str, index: int, values: Sequence[Mapping[str, Value]]) -> bool:
        if LOSS not in axes[index] or not governs(LOSS, key):
            return True
        same = [v[key] for v, of in zip(values, axes, strict=True) if of[LOSS] == axes[index][LOSS]]
        return len(set(same)) > 1

    labels: list[str] = []
    for index, (values, others) in enumerate(zip(axes, unswept, strict=True)):
        parts = [str(values[key]) for key in LOSS_KEYS if key in values][:1]
        parts += [f"{s}={as_text(values[k])}" for k, s in shown.items() if varies(k, index, axes)]
        bracket = [
            f"{s}={_cut(k, others)}" for k, s in together.items() if varies(k, index, unswept)
        ]
        label = " · ".join(parts) or loss
        labels.append(label + (f" [{', '.join(bracket)}]" if bracket else ""))
    times = Counter(labels)
    seen: Counter[str] = Counter()
    for index, label in enumerate(labels):  # values cut to the same text
        if times[label] > 1:
            seen[label] += 1
            labels[index] = f"{label} ({seen[label]})"
    return labels


def _cut(key: str, unswept: Mapping[str, str]) -> str:
    """An unswept value, short enough for a label."""
    return unswept[key][: 8 if key == "git.commit" else 24]


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """The last part of each key, or the whole key where that is ambiguous."""
    last = Counter(key.rpartition(".")[2] for key in keys)
    return {key: tail if last[tail := key.rpartition(".")[2]] == 1 else key for key in keys}


def _one_of_each(unswept: Sequence[Mapping[str, str]]) -> list[str]:
    """Of keys that divide the rows in the same way, the first; settings before surroundings."""
    surroundings = ("versions.", "hardware.", "git.", "flags.", "environment.")
    keys = sorted(unswept[0], key=lambda key: key.startswith(surroundings))
    chosen: dict[tuple[int, ...], str] = {}
    for key in keys:
        values = [row[key] for row in unswept]
        chosen.setdefault(tuple(values.index(value) for value in values), key)
    return list(chosen.values())
