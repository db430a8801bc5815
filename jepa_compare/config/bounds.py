"""What a value may be, written beside its field, and the one place that checks it.

A field says `steps: int = at_least(1)`; it still has no default. What two fields must have in
common, their dataclass says in a method `check_together`, which raises RangeError with names of its
own. None passes where a field's type lets it.
"""

import math
from collections.abc import Callable
from dataclasses import field, fields, is_dataclass
from typing import Any

from jepa_compare.checks import (
    ConfigError,
    RangeError,
    require,
    require_above,
    require_at_least,
    require_between,
    require_one_of,
)

_CHECK = "check"


def _checked(check: Callable[[str, Any], None]) -> Any:
    return field(metadata={_CHECK: check})


def at_least(low: float) -> Any:
    """A field of numbers from `low`."""
    return _checked(lambda name, value: require_at_least(low, **{name: value}))


def above(low: float) -> Any:
    """A field of numbers greater than `low`."""
    return _checked(lambda name, value: require_above(low, **{name: value}))


def between(low: float, high: float) -> Any:
    """A field of numbers in [low, high]."""
    return _checked(lambda name, value: require_between(low, high, **{name: value}))


def one_of(*options: str) -> Any:
    """A field with one of these words."""
    return _checked(lambda name, value: require_one_of(name, value, options))


def each_above(low: float) -> Any:
    """A field of numbers by name, each finite and greater than `low`."""

    def check_each(name: str, values: dict[str, float]) -> None:
        for key, value in values.items():
            allowed = f"finite and above {low}"
            require(low < value < math.inf, f"{name}.{key}", value, allowed)

    return _checked(check_each)


def satisfying(condition: Callable[[Any], bool], allowed: str) -> Any:
    """A field whose value fulfils `condition`, which `allowed` says in words after "must be"."""
    return _checked(lambda name, value: require(condition(value), name, value, allowed))


def check(settings: Any, key: str = "") -> None:
    """Raise a one-line ConfigError for the first value out of range in a dataclass of settings.

    `key` is the place of `settings` in the configuration, as the error names it.
    """
    prefix = f"{key}." if key else ""
    try:
        for item in fields(settings):
            value = getattr(settings, item.name)
            if is_dataclass(value):
                check(value, f"{prefix}{item.name}")
            elif value is not None and _CHECK in item.metadata:
                item.metadata[_CHECK](item.name, value)
        if hasattr(settings, "check_together"):
            settings.check_together()
    except RangeError as error:
        raise ConfigError(str(error.under(key) if key else error)) from error
