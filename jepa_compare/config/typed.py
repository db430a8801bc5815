"""Plain data as dataclasses: names and types are checked, nothing is filled in."""

import typing
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, TypeVar

from jepa_compare.checks import ConfigError, did_you_mean

T = TypeVar("T")


def fits(value: Any, hint: Any) -> bool:
    """Whether `value` is of the annotated type. An int is a float; a bool is neither."""
    from beartype import BeartypeConf  # here: `--help` does not wait for it
    from beartype.door import is_bearable

    # bool is an int to Python, but weight=true is a mistake.
    confused = isinstance(value, bool) and hint in (int, float)
    return not confused and is_bearable(value, hint, conf=BeartypeConf(is_pep484_tower=True))


def type_name(hint: Any) -> str:
    """An annotated type as an error names it."""
    return getattr(hint, "__name__", str(hint)) if typing.get_origin(hint) is None else str(hint)


def from_plain(kind: type[T], node: Any, key: str = "") -> T:
    """The dataclass `kind` of plain data, as JSON holds it.

    `key` is the node's place in the configuration. Raises a one-line ConfigError for a key that is
    unknown or missing and for a value of another type.
    """
    prefix = f"{key}." if key else ""
    if not isinstance(node, Mapping):
        raise ConfigError(f"{key}={node}: must be a node")
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, value in node.items():
        if name not in hints:
            hint = did_you_mean(str(name), hints)
            raise ConfigError(f"{prefix}{name}: unknown key{hint}; there is {', '.join(hints)}")
        if is_dataclass(hints[name]):
            values[name] = from_plain(hints[name], value, f"{prefix}{name}")
        elif not fits(value, hints[name]):
            raise ConfigError(f"{prefix}{name}={value}: must be of type {type_name(hints[name])}")
        else:
            values[name] = float(value) if hints[name] is float else value
    missing = [name for name in hints if name not in values]
    if missing:
        raise ConfigError(f"{prefix}{missing[0]}: missing")
    return kind(**values)
