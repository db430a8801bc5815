"""Values that are out of range: one line that names the key, its value and what is allowed.

Standard library only: every wing checks its arguments with these.
"""

import difflib
import sys
from collections.abc import Collection, Iterable
from typing import Any, NoReturn

from jepa_compare.system.terminal import say


class ConfigError(ValueError):
    """A configuration that cannot run. Its message is one line: key, value, what is allowed."""


class RangeError(ValueError):
    """An argument out of range: "<name>=<value>: must be <allowed>"."""

    def __init__(self, name: str, value: Any, allowed: str) -> None:
        super().__init__(f"{name}={value}: must be {allowed}")
        self.name, self.value, self.allowed = name, value, allowed

    def under(self, key: str) -> "RangeError":
        """The same error of an argument that the configuration has at `key`."""
        return RangeError(f"{key}.{self.name}", self.value, self.allowed)


def require(condition: bool, name: str, value: Any, allowed: str) -> None:
    """Raise RangeError unless `condition`."""
    if not condition:
        raise RangeError(name, value, allowed)


def require_at_least(low: float, **values: float) -> None:
    """Raise RangeError for the first of `values` below `low`."""
    for name, value in values.items():
        require(value >= low, name, value, f"at least {low}")


def require_above(low: float, **values: float) -> None:
    """Raise RangeError for the first of `values` that is not above `low`."""
    for name, value in values.items():
        require(value > low, name, value, f"above {low}")


def require_between(low: float, high: float, **values: float) -> None:
    """Raise RangeError for the first of `values` outside [low, high]."""
    for name, value in values.items():
        require(low <= value <= high, name, value, f"between {low} and {high}")


def require_one_of(name: str, value: str, options: Collection[str]) -> None:
    """Raise RangeError, with the closest option, unless `value` is one of `options`."""
    hint = did_you_mean(value, options)
    require(value in options, name, value, f"one of {', '.join(options)}{hint}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """' (did you mean ...?)' for the closest known word, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def exit_with_error(message: str) -> NoReturn:
    """One line on stderr and exit status 2, the shell's convention for a usage error."""
    say(f"jepa_compare: {message}", file=sys.stderr)
    raise SystemExit(2)
