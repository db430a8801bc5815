"""Hydra's side of the configuration: where `conf/` is, the schema, every job of a command line.

Every job of a sweep is composed and checked here before the first one starts, so that a typo in
the last value of a grid costs no compute.
"""

import os
import re
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import hydra.version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from jepa_compare.checks import ConfigError, did_you_mean
from jepa_compare.config.schema import Config
from jepa_compare.runs.identity import run_hash
from jepa_compare.runs.layout import SCHEMA_VERSION

_PACKAGE = Path(__file__).resolve().parents[1]
# A wheel carries conf/ inside the package; a checkout has it beside the package.
CONF_DIR = next(
    path
    for path in (_PACKAGE / "conf", _PACKAGE.parent / "conf")
    if (path / "config.yaml").exists()
)
HYDRA_VERSION_BASE = "1.3"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of a command line, composed and typed."""

    config: Config
    directory: Path
    identity: dict[str, Any]
    """What the run's config.json holds."""


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """A command line, understood: its runs, and the overrides that make Hydra see the same."""

    jobs: list[Job]
    overrides: list[str]


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The resolved config as plain data, without Hydra's own node."""
    kept = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    container = OmegaConf.to_container(kept, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def typed(config: dict[str, Any]) -> Config:
    """A plain config as the schema's dataclasses."""
    merged = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), config))
    assert isinstance(merged, Config)
    return merged


def typed_again(config: dict[str, Any], source: Path) -> Config:
    """The config that `source` holds, typed. Raises ConfigError if the schema is another one."""
    try:
        return typed(config)
    except (OmegaConfBaseException, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{source} is no configuration of this version ({reason})") from error


def run_name(cfg: DictConfig) -> str:
    """`<loss>_s<seed>_<8 hex>`: the run directory's name, addressed by content."""
    config = plain(cfg)
    return f"{config['aux_loss']['name']}_s{config['seed']}_{run_hash(config)}"


def register() -> None:
    """Tell Hydra the schema and OmegaConf the resolver that `conf/config.yaml` uses."""
    ConfigStore.instance().store(name="schema", node=Config)
    OmegaConf.register_new_resolver("run_name", lambda *, _root_: run_name(_root_), replace=True)


def identity_of(cfg: DictConfig) -> dict[str, Any]:
    """What identifies a run: the content of its config.json. `cfg` includes Hydra's own node."""
    config, name = plain(cfg), run_name(cfg)
    choices = OmegaConf.to_container(cfg.hydra.runtime.choices)
    assert isinstance(choices, dict)
    return {
        "schema_version": SCHEMA_VERSION,
        "run_name": name,
        "name": config["aux_loss"]["name"],
        "seed": config["seed"],
        "hash": name.rsplit("_", 1)[1],
        "config": config,
        "choices": {k: v for k, v in choices.items() if not str(k).startswith("hydra/")},
        "overrides": [str(override) for override in cfg.hydra.overrides.task],
    }


def fresh_sweep_name() -> str:
    """A directory name that no other sweep has, also not one of the same second."""
    return f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{secrets.token_hex(3)}"


@contextmanager
def hydra_composition(config_dir: str | None) -> Iterator[None]:
    """Hydra's compose API, pointed at `conf/` and --config-dir; leaves no global state."""
    hydra.version.setbase(HYDRA_VERSION_BASE)
    GlobalHydra.instance().clear()
    search_path = create_config_search_path(str(CONF_DIR))
    if config_dir is not None:
        search_path.append(
            "command-line",
            f"file://{os.path.abspath(config_dir)}",
            anchor=SearchPathQuery("main", None),
        )
    try:
        Hydra.create_main_hydra2(task_name="train", config_search_path=search_path)
        yield
    finally:
        GlobalHydra.instance().clear()


def expand(overrides: Sequence[str], sweeper_params: dict[str, Any]) -> list[list[str]]:
    """The override lists of a sweep's jobs, as Hydra's basic sweeper makes them."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    parsed = OverridesParser.create().parse_overrides(
        [*(f"{key}={value}" for key, value in sweeper_params.items()), *overrides]
    )
    return [job for batch in BasicSweeper.split_arguments(parsed, None) for job in batch]


def parse_command_line(
    overrides: Sequence[str], *, multirun: bool, config_dir: str | None = None
) -> CommandLine:
    """Compose, type and check every job of a command line. Raises ConfigError in one line.

    Where no sweep is named, the overrides that come back name a fresh one, so that every process
    that Hydra starts for this command agrees on the directory.
    """
    register()
    overrides = list(overrides)
    with hydra_composition(config_dir):
        try:
            parsed = OverridesParser.create().parse_overrides(overrides)
            # A composition for what is the same in all jobs; the swept values are left out.
            fixed = [o.input_line or "" for o in parsed if not o.is_sweep_override()]
            base = hydra.compose("config", overrides=fixed, return_hydra_config=True)
            if base.sweep is None:
                overrides.append(f"sweep={fresh_sweep_name()}")
                fixed.append(overrides[-1])
            if not multirun:
                return CommandLine(jobs=[_job(overrides, multirun=False)], overrides=overrides)
            if not str(base.hydra.sweeper._target_).endswith("BasicSweeper"):
                # Such a sweeper makes its jobs as it goes: check what they share.
                return CommandLine(jobs=[_job(fixed, multirun=True)], overrides=overrides)
            jobs = expand(overrides, dict(base.hydra.sweeper.params or {}))
            return CommandLine(jobs=[_job(job, multirun=True) for job in jobs], overrides=overrides)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(one_line(error, overrides)) from error


def _job(overrides: Sequence[str], *, multirun: bool) -> Job:
    cfg = hydra.compose("config", overrides=list(overrides), return_hydra_config=True)
    config = typed(plain(cfg))
    config.check()
    if multirun:
        directory = Path(cfg.hydra.sweep.dir) / str(cfg.hydra.sweep.subdir)
    else:
        directory = Path(cfg.hydra.run.dir)
    return Job(config=config, directory=directory, identity=identity_of(cfg))


def one_line(error: Exception, overrides: Sequence[str]) -> str:
    """Hydra's many lines as one: what was asked for, what is wrong, what there is instead."""
    if isinstance(error, OverrideParseException):
        return f"{error.override}: is not of the form key=value ({str(error).splitlines()[0]})"
    text = f"{error}\n{error.__cause__ or ''}"
    key = re.search(r"full_key: (\S+)", text)
    unknown = re.search(r"Key '([^']+)' (?:is )?not in", text)
    if unknown and key:
        siblings = _siblings(key.group(1))
        hint = did_you_mean(unknown.group(1), siblings)
        known = f"; there is {', '.join(siblings)}" if siblings else ""
        return f"{key.group(1)}: unknown key{hint}{known}"
    option = re.search(r"Could not find '([^']+)/([^']+)'", text)
    if option:
        group, name = option.groups()
        listed = text.split("Config search path")[0]
        options = re.findall(r"^\t(\S+)$", listed, flags=re.MULTILINE)
        hint = did_you_mean(name, options)
        return f"{group}={name}: no such option{hint}; there is {', '.join(options)}"
    wrong_type = re.search(r"Value '.*?' of type '\w+' could not be converted to \w+", text)
    reason = wrong_type.group() if wrong_type else " ".join(str(error).split())
    if key is None:
        return reason
    value = next((o for o in overrides if o.startswith(f"{key.group(1)}=")), key.group(1))
    return f"{value}: {reason}"


def _siblings(full_key: str) -> list[str]:
    """The keys that stand beside `full_key` in the default composition, for a hint."""
    try:
        node: Any = hydra.compose("config")
        for part in full_key.split(".")[:-1]:
            node = node[part]
        return [str(key) for key in node]
    except (HydraException, OmegaConfBaseException, KeyError, TypeError):
        return []


def exit_with_error(message: str) -> None:
    """One line on stderr and exit status 2, the shell's convention for a usage error."""
    print(f"jepa_compare: {message}", file=sys.stderr)
    raise SystemExit(2)
