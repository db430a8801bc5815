"""One run to be made: composed on a command line, or read from its directory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jepa_compare.checks import ConfigError
from jepa_compare.config.schema import Config
from jepa_compare.config.secrets import refuse_secrets
from jepa_compare.config.typed import from_plain
from jepa_compare.runs.identity import run_hash
from jepa_compare.runs.layout import CONFIG
from jepa_compare.runs.records import ConfigFile
from jepa_compare.runs.writer import read_config

if TYPE_CHECKING:
    from omegaconf import DictConfig


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run, composed and typed."""

    config: Config
    directory: Path
    identity: ConfigFile
    """What the run's config.json holds."""


@contextmanager
def named(which: str) -> Iterator[None]:
    """Let a ConfigError about one of several jobs say which one; "": there is only one."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{error} (in the job {which})" if which else str(error)) from error


def job_of(cfg: "DictConfig", directory: Path) -> Job:
    """The job that a composition describes. Raises ConfigError for values out of range."""
    from jepa_compare.config.compose import identity_of  # hydra, which a stored run does not need

    identity = identity_of(cfg)
    config = from_plain(Config, identity.config)
    config.check()
    return Job(config=config, directory=directory, identity=identity)


def stored_job(directory: Path, *, trust: bool = False) -> Job:
    """The job that a run directory holds.

    Raises NoSuchRun if it holds none or a damaged one, ConfigError if it is another version's, or
    names code that is not of this package and is not to be trusted.
    """
    from jepa_compare.export import load_config  # torch

    config, identity = load_config(directory, trust=trust), read_config(directory)
    assert identity is not None  # its config was read
    refuse_secrets(identity.config)
    if run_hash(identity.config) != identity.hash:
        raise ConfigError(
            f"{directory / CONFIG} was changed, or is another version's: its settings are not those"
            f" of the run {identity.hash}"
        )
    return Job(config=config, directory=directory, identity=identity)
