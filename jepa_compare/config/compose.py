"""Hydra's side of the configuration: where `conf/` is, the schema, what a composition gives."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from jepa_compare.config import hydra_internals
from jepa_compare.config.schema import Config
from jepa_compare.config.secrets import refuse_secrets
from jepa_compare.config.tuning import TuningSettings
from jepa_compare.runs.identity import run_hash
from jepa_compare.runs.records import SCHEMA_VERSION, ConfigFile

_PACKAGE = Path(__file__).resolve().parents[1]
# A wheel carries conf/ inside the package; a checkout has it beside the package.
CONF_DIR = next(
    path
    for path in (_PACKAGE / "conf", _PACKAGE.parent / "conf")
    if (path / "config.yaml").exists()
)
CONFIG_NAME = "config"
OF_NO_RUN = ("hydra", "tuning")
"""Nodes of a composition that say nothing of a run: how the command is carried out."""


@dataclass(kw_only=True, slots=True)
class Composition(Config):
    """What a command line gives: the run, and how a study of such runs is made."""

    tuning: TuningSettings


def register() -> None:
    """Tell Hydra the schema and OmegaConf the resolver that `conf/config.yaml` uses."""
    ConfigStore.instance().store(name="schema", node=Composition)

    def of_root(*, _root_: DictConfig) -> str:
        return run_name(_root_)

    OmegaConf.register_new_resolver("run_name", of_root, replace=True)


def composition(config_dir: str | None = None) -> AbstractContextManager[None]:
    """Within it, `compose` reads `conf/` and the user's own `config_dir`."""
    register()
    return hydra_internals.composition(CONF_DIR, config_dir)


def compose(overrides: Sequence[str]) -> DictConfig:
    """The configuration that `overrides` ask for, with Hydra's own node. Raises Hydra's errors."""
    return hydra.compose(CONFIG_NAME, overrides=list(overrides), return_hydra_config=True)


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The resolved config of a run as plain data."""
    kept = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key not in OF_NO_RUN])
    container = OmegaConf.to_container(kept, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def run_name(cfg: DictConfig) -> str:
    """`<loss>_s<seed>_<8 hex>`: the run directory's name, addressed by content."""
    config = plain(cfg)
    return f"{config['aux_loss']['name']}_s{config['seed']}_{run_hash(config)}"


def identity_of(cfg: DictConfig) -> ConfigFile:
    """What identifies a run: the content of its config.json. `cfg` includes Hydra's own node.

    Raises ConfigError for a secret, also one in Hydra's node, which Hydra writes into its files.
    """
    refuse_secrets(OmegaConf.to_container(cfg, resolve=False))
    config, name = plain(cfg), run_name(cfg)
    choices = OmegaConf.to_container(cfg.hydra.runtime.choices)
    assert isinstance(choices, dict)
    return ConfigFile(
        schema_version=SCHEMA_VERSION,
        run_name=name,
        name=config["aux_loss"]["name"],
        seed=config["seed"],
        hash=name.rsplit("_", 1)[1],
        config=config,
        choices={str(k): v for k, v in choices.items() if str(k).split("/")[0] not in OF_NO_RUN},
        overrides=[str(override) for override in cfg.hydra.overrides.task],
    )
