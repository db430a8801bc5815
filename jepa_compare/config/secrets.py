"""Settings that look like secrets: a configuration is written into files that people share."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jepa_compare.checks import ConfigError

_WORDS = {"key", "token", "password", "secret"}
_FROM_ENVIRONMENT = re.compile(r"\$\{\s*oc\.env\s*:\s*([^,}]+)")


def is_secret(name: str) -> bool:
    """Whether the last word of a key, split at "_", "-" or ".", says that its value is a secret."""
    return re.split(r"[_.-]", name.strip().lower())[-1] in _WORDS


def refuse_secrets(value: Any, key: str = "") -> None:
    """Raise ConfigError, without the value, for the first secret in plain data at `key`.

    `${oc.env:NAME}` is none while it is unresolved, but a configuration is stored resolved: so it
    is refused too, in a secret's place or with a secret's name. Null and "" are no secrets.
    """
    for name, leaf in _leaves(value, key):
        read_it = "read it from the environment in the code that uses it"
        if is_secret(name) and leaf not in (None, ""):
            raise ConfigError(
                f"{name}: a value for a secret is not accepted, as it would be written into"
                f" config.json; {read_it}, and leave the key out or null"
            )
        for variable in _FROM_ENVIRONMENT.findall(leaf if isinstance(leaf, str) else ""):
            if is_secret(variable):
                raise ConfigError(
                    f"{name}: ${{oc.env:{variable.strip()}}} is a secret by its name, and its value"
                    f" would be written into config.json; {read_it}"
                )


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Every value that is no node, under its full key; the items of a list under the list's."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item, key)
    else:
        yield key, value
