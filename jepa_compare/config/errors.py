"""Hydra's and OmegaConf's errors of many lines as one: what is wrong, what there is instead."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from jepa_compare.checks import ConfigError, did_you_mean

_PLUGINS = {
    "hydra/launcher": {
        "joblib": "hydra-joblib-launcher",
        "ray": "hydra-ray-launcher",
        "submitit_local": "hydra-submitit-launcher",
        "submitit_slurm": "hydra-submitit-launcher",
    },
    "hydra/sweeper": {
        "ax": "hydra-ax-sweeper",
        "nevergrad": "hydra-nevergrad-sweeper",
        "optuna": "hydra-optuna-sweeper",
    },
}
"""Options that other packages bring, by their names there."""


@contextmanager
def in_one_line(overrides: Sequence[str]) -> Iterator[None]:
    """Let a composition from `overrides` raise ConfigError, in one line."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(one_line(error, overrides)) from error


def one_line(error: Exception, overrides: Sequence[str]) -> str:
    """What an exception of a composition says, with the override that it is about."""
    if isinstance(error, OverrideParseException):
        if error.override.endswith(","):
            return f"{error.override}: ends in a comma; values are listed without spaces: a=b,c"
        if "=" not in error.override:
            return f"{error.override}: is not of the form key=value"
        return f"{error.override}: is not of the form key=value ({_first_line(error)})"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, name = error.missing_cfg_file.rpartition("/")
        plugins = _PLUGINS.get(group, {})
        package = plugins.get(name)
        hint = did_you_mean(name, [*error.options, *plugins])
        if package:
            hint = f": pip install {package}"
        return f"{group}={name}: no such option{hint}; there is {', '.join(error.options)}"
    # Hydra's exception names the override; its cause knows the key and what stands beside it.
    cause = error.__cause__ or error
    if not (isinstance(cause, OmegaConfBaseException) and cause.full_key):
        return " ".join(str(error).split())
    if isinstance(cause, (ConfigAttributeError, ConfigKeyError)):
        beside = cause.parent_node if isinstance(cause.parent_node, DictConfig) else {}
        known = [str(key) for key in beside if key != "hydra"]
        there_is = f"; there is {', '.join(known)}" if known else ""
        return f"{cause.full_key}: unknown key{did_you_mean(str(cause.key), known)}{there_is}"
    asked = next((o for o in overrides if o.startswith(f"{cause.full_key}=")), cause.full_key)
    node = cause.parent_node.get(cause.key) if isinstance(cause.parent_node, DictConfig) else None
    if isinstance(node, DictConfig):  # a value where a table of keys stands
        keys = ", ".join(f"{cause.full_key}.{key}" for key in node)
        return f"{asked}: is not one value; set {keys}"
    return f"{asked}: {_first_line(cause)}"


def _first_line(error: Exception) -> str:
    """The message alone: OmegaConf and the grammar have no field for it, and append lines."""
    return str(error).partition("\n")[0]
