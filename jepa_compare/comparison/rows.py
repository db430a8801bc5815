"""Grouping runs into rows, and naming the rows.

A row's runs agree on every axis and on every unswept key that can change numbers, so that a mean
over a row is a mean over seeds. `by` replaces that by the keys that the user names.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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

LONGEST = 40
"""Characters of a row's name, about: with more of them no table fits beside its numbers."""


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
    if by is None:
        groups = _pooled(groups, axes, (LOSS, *differences.settings, *apart))
    axis_values = [dict(zip(axes, key, strict=False)) for key in groups]
    unswept = [
        {k: as_text(value) for k, value in zip(apart, key[len(axes) :], strict=True)}
        for key in groups
    ]
    losses = [{run.loss for run in members} for members in groups.values()]
    names = _names(axis_values, unswept, [min(of) if len(of) == 1 else "" for of in losses])
    rows = [
        Row(
            label=name.label,
            meaning=name.meaning,
            unsaid=name.unsaid,
            axes=values,
            unswept=others,
            runs=tuple(sorted(members, key=lambda run: (run.seed, str(run.path)))),
            counts={o: n for o in OUTCOMES if (n := sum(run.outcome == o for run in members))},
            target=" | ".join(sorted({run.target for run in members})),
            averaged=tuple(key for key in differences.axes if key not in axes),
        )
        for name, values, others, members in zip(
            names, axis_values, unswept, groups.values(), strict=True
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


def _pooled(
    groups: dict[tuple[Value, ...], list[Run]], axes: Sequence[str], settings: Sequence[str]
) -> dict[tuple[Value, ...], list[Run]]:
    """Groups whose runs have the same settings as one, whatever they were chosen by: the name of a
    preset or of a group's option is a name for settings, and none itself."""
    chosen = [i for i, axis in enumerate(axes) if axis != LOSS and _is_choice(groups, axis)]
    if not chosen:
        return groups
    equal: dict[tuple[Value, ...], list[tuple[Value, ...]]] = {}
    for key, members in sorted(groups.items(), key=lambda item: not _finished(item[1])):
        run = next((run for run in members if run.status is not None), members[0])
        wanted = [value_of(run, k) if is_known(run, k) else ... for k in settings]
        match = next((found for found in equal if _agrees(found, wanted)), None)
        equal.setdefault(match or tuple(value_of(run, k) for k in settings), []).append(key)
    pooled: dict[tuple[Value, ...], list[Run]] = {}
    for keys in equal.values():
        name = list(keys[0])
        for i in chosen:
            options = {str(key[i]) for key in keys} - {"null", "None"}
            name[i] = "/".join(sorted(options)) or keys[0][i]
        members = pooled.setdefault(tuple(name), [])
        members += [run for key in keys for run in groups[key]]
    return pooled


def _is_choice(groups: Mapping[tuple[Value, ...], Sequence[Run]], axis: str) -> bool:
    return any(axis in run.choices for members in groups.values() for run in members)


def _finished(runs: Sequence[Run]) -> bool:
    return any(run.status is not None for run in runs)


def _agrees(group: tuple[Value, ...], wanted: Sequence[object]) -> bool:
    return all(want is ... or want == value for want, value in zip(wanted, group, strict=True))


@dataclass(kw_only=True, slots=True)
class _Name:
    """What a row is called, in its parts."""

    loss: str
    """"" where a row's runs are of several losses, as `by` may ask."""
    settings: dict[str, str]
    """Key to "lr=0.001", of what the loss does not imply."""
    unswept: dict[str, str]
    """The same of what nobody swept, which stands in brackets."""
    unsaid: dict[str, str] = field(default_factory=dict)
    meaning: str = ""
    suffix: str = ""

    @property
    def label(self) -> str:
        text = " · ".join(part for part in (self.loss, *self.settings.values()) if part)
        bracket = f"[{', '.join(self.unswept.values())}]" if self.unswept else ""
        return " ".join(part for part in (text, bracket, self.suffix) if part)

    @property
    def is_long(self) -> bool:
        """Whether it says too much beside the loss, whose own name is as long as it is."""
        return len(self.label) > LONGEST and bool(self.settings or self.unswept)


def _names(
    axes: Sequence[Mapping[str, Value]],
    unswept: Sequence[Mapping[str, str]],
    losses: Sequence[str],
) -> list[_Name]:
    """The loss, then "key=value" for what the loss does not imply; each label is another one.

    A setting of the loss itself is named only where it varies for that loss. Unswept settings stand
    in brackets, of several keys that go together only the first. Where a label would be longer than
    `LONGEST`, what most rows have is left unsaid in all of them; one that is too long even so is a
    number, whose `meaning` the label was.
    """
    shown = short_names([key for key in axes[0] if key not in LOSS_KEYS])
    together = short_names(_one_of_each(unswept))

    def varies(key: str, index: int, values: Sequence[Mapping[str, Value]]) -> bool:
        if LOSS not in axes[index] or not governs(LOSS, key):
            return True
        same = [v[key] for v, of in zip(values, axes, strict=True) if of[LOSS] == axes[index][LOSS]]
        return len(set(same)) > 1

    names = [
        _Name(
            loss=loss,
            settings={
                k: f"{s}={as_text(values[k])}" for k, s in shown.items() if varies(k, index, axes)
            },
            unswept={
                k: f"{s}={_cut(k, others)}"
                for k, s in together.items()
                if varies(k, index, unswept)
            },
        )
        for index, (values, others, loss) in enumerate(zip(axes, unswept, losses, strict=True))
    ]
    if any(name.is_long for name in names):
        _leave_unsaid(names)
        _number(names)
    times = Counter(name.label for name in names)
    seen: Counter[str] = Counter()
    for name in names:  # values cut to the same text
        if times[label := name.label] > 1:
            seen[label] += 1
            name.suffix = f"({seen[label]})"
    return names


def _leave_unsaid(names: Sequence[_Name]) -> None:
    """Take from all names what most of them say; settings of one loss are said in any case."""
    for part in ("settings", "unswept"):
        said = Counter(item for name in names for item in getattr(name, part).items())
        usual: dict[str, str] = {}
        for (key, text), times in sorted(said.items(), key=lambda item: (-item[1], item[0])):
            if times > 1 and not governs(LOSS, key):
                usual.setdefault(key, text)
        for name in names:
            settings = getattr(name, part)
            for key in [key for key, text in settings.items() if usual.get(key) == text]:
                name.unsaid[key] = settings.pop(key)


def _number(names: Sequence[_Name]) -> None:
    """Call those that are longer than `LONGEST` by a number of their loss."""
    count: Counter[str] = Counter()
    for name in sorted(names, key=lambda name: name.label):
        if name.is_long:
            count[name.loss] += 1
            name.meaning = ", ".join([*name.settings.values(), *name.unswept.values()])
            name.suffix, name.settings, name.unswept = f"#{count[name.loss]}", {}, {}


def lines_above(rows: Sequence[Row], shared: Sequence[str]) -> list[str]:
    """What a reader must know of all rows at once: `shared`, and what their names leave unsaid."""
    unsaid = dict(item for row in rows for item in row.unsaid.items())
    return [
        *([f"The same in all runs: {', '.join(shared)}."] if shared else []),
        *([f"Where a row's name does not say it: {', '.join(unsaid.values())}."] if unsaid else []),
    ]


def legend(rows: Sequence[Row]) -> list[str]:
    """What the numbers in rows' names stand for, a line each."""
    return [f"{row.label}: {row.meaning}" for row in rows if row.meaning]


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
