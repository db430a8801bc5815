"""Which settings a sweep varied on purpose, and which differ unswept.

Jobs of a sweep are composed when they start: an edit to a YAML file during the sweep changes the
later jobs, and runs of two days may differ in version or hardware. So each run's resolved config is
compared with the others'. A key that differs is

- an axis, if it was written on the command line of a run (`overrides`) and is not just a
  consequence of another axis; the auxiliary loss always is one;
- explained, if it lies in a group whose choice is an axis and is the same in all runs of a choice,
  or if it repeats the value of an axis (an interpolation); a preset (`experiment`) is an axis only
  if it explains what nothing else does;
- otherwise unswept.

Where every run has the settings that a study selected, what is the same in all runs of a loss (and
study) was selected: it is part of the loss, and no axis.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jepa_compare.comparison.runs import Run, Value
from jepa_compare.runs.identity import ADDED, HARMLESS, counts

LOSS = "aux_loss"
LOSS_KEYS = (LOSS, f"{LOSS}.name")
"""The keys of a row that are the loss itself."""
STUDY = "study"
"""The key of a row that says which study tuned it."""
_PRESET = "experiment"
# Rows average over the seed, and the device that was asked for is compared as hardware.device.
_COMPARED_OTHERWISE = ("seed", "device")


@dataclass(frozen=True, kw_only=True, slots=True)
class Differences:
    """The keys in which runs differ."""

    axes: tuple[str, ...]
    """Swept on purpose: the loss first, then by name. A group's choice goes by the group's name."""
    unswept: tuple[str, ...]
    """The others; those that can change numbers first."""
    settings: tuple[str, ...]
    """Every key of the config that differs, whatever explains it, and can change a number."""


def value_of(run: Run, key: str) -> Value:
    """What a run has at an axis or an unswept key; None where it has none."""
    if key in run.config:
        return run.config[key]
    if key == LOSS:
        return run.loss
    if key == STUDY:
        return run.study.id if run.study else None
    if key in run.choices:
        return run.choices[key]
    return run.provenance.get(key)


def is_known(run: Run, key: str) -> bool:
    """Whether `value_of` is final: surroundings and evaluation are recorded at the end of a run."""
    settled = key in run.choices or (key in run.config and not key.startswith("evaluation."))
    return run.status is not None or key in (LOSS, STUDY) or settled


def counted(runs: Iterable[Run], key: str) -> dict[str, int]:
    """Runs per value of `key`, the most frequent value first, then by text."""
    times = Counter(as_text(value_of(run, key)) for run in runs)
    return dict(sorted(times.items(), key=lambda item: (-item[1], item[0])))


def as_text(value: Value) -> str:
    """A setting as the command line would have it."""
    if value is None:
        return "null"
    return f"{value:g}" if isinstance(value, float) else str(value)


def find_differences(runs: Sequence[Run]) -> Differences:
    """Sort every key that differs between `runs` into axes and unswept (see the module)."""
    evaluated = _varying([run.config for run in runs if run.status is not None])
    varying = [
        key
        for key in _varying([run.config for run in runs])
        if not key.startswith("evaluation.") or key in evaluated
    ]
    written = {_key(override) for run in runs for override in run.overrides}
    groups = [
        group
        for group in _varying([run.choices for run in runs])
        if group not in (LOSS, _PRESET)
        and group in written
        and any(governs(group, key) for key in varying)
    ]
    if len({run.loss for run in runs}) > 1:  # not choices: an alias is the same loss
        groups.append(LOSS)
    if len({value_of(run, STUDY) for run in runs}) > 1:
        groups.append(STUDY)
    axes = list(groups)
    unswept: list[str] = []
    studied = all(run.study is not None for run in runs)
    for key in varying:
        if studied and _function_of(runs, key, [LOSS, STUDY]):
            continue
        governing = [group for group in groups if governs(group, key)]
        if governing and _function_of(runs, key, governing):
            continue
        (axes if key in written else unswept).append(key)
    preset = [key for key in unswept if _PRESET in written and _by_preset(runs, key, groups)]
    if preset:
        axes.append(_PRESET)
        unswept = [key for key in unswept if key not in preset]
    unswept = [key for key in unswept if not any(_repeats(runs, key, axis) for axis in axes)]
    unswept += _varying([run.provenance for run in runs if run.provenance])
    return Differences(
        axes=tuple(sorted(axes, key=lambda key: (key != LOSS, key))),
        unswept=tuple(sorted(unswept, key=HARMLESS.__contains__)),
        settings=tuple(varying),
    )


def shared_settings(runs: Sequence[Run]) -> tuple[str, ...]:
    """ "training.steps=200", of what was written on a command line and is the same in all runs."""
    written = {_key(override) for run in runs for override in run.overrides}
    return tuple(
        f"{key}={values.pop()}"
        for key in sorted(written - {*_COMPARED_OTHERWISE, *LOSS_KEYS})
        if counts(key, runs[0].config)
        and all(key in run.config or key in run.choices for run in runs)
        and len(values := {as_text(value_of(run, key)) for run in runs}) == 1
    )


def _varying(records: Sequence[Mapping[str, Value]]) -> list[str]:
    """Keys that are not the same in all records, sorted; a missing key differs from any value."""
    if not records:
        return []
    seen: dict[str, Value] = {}
    present: Counter[str] = Counter()
    varying: set[str] = set()
    for record in records:
        for key, value in record.items():
            present[key] += 1
            if value != seen.setdefault(key, value):
                varying.add(key)
    varying |= {key for key, count in present.items() if count < len(records)}
    return sorted(key for key in varying if _matters(records, key))


def _matters(records: Sequence[Mapping[str, Value]], key: str) -> bool:
    """Whether the difference is between records in which the setting can change a number."""
    if key in _COMPARED_OTHERWISE:
        return False
    old = ADDED.get(key, ...)  # in runs older than the key
    return len({record.get(key, old) for record in records if counts(key, record)}) > 1


def _key(override: str) -> str:
    """ "+training.lr=1" -> "training.lr", "data@world=x" -> "data"."""
    return override.partition("=")[0].lstrip("+~").partition("@")[0]


def governs(group: str, key: str) -> bool:
    """Whether `key` is a setting of the config group."""
    return key.startswith(f"{group}.")


def _by_preset(runs: Sequence[Run], key: str, groups: Sequence[str]) -> bool:
    governing = [group for group in groups if governs(group, key)]
    return _function_of(runs, key, [*governing, _PRESET])


def _function_of(runs: Sequence[Run], key: str, groups: Sequence[str]) -> bool:
    """Whether all runs with the same choice of `groups` agree on `key`."""
    seen: dict[tuple[Value, ...], Value] = {}
    for run in runs:
        value = run.config.get(key)
        if seen.setdefault(tuple(value_of(run, group) for group in groups), value) != value:
            return False
    return True


def _repeats(runs: Sequence[Run], key: str, axis: str) -> bool:
    return all(run.config.get(key) == value_of(run, axis) for run in runs)
