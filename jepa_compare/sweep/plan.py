"""What a command line asks for: its jobs, each composed once, here, before the first one starts.

A typo in the last value of a grid costs no compute.
"""

import functools
import secrets
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from jepa_compare.checks import ConfigError
from jepa_compare.config import bounds
from jepa_compare.config.compose import compose, composition, identity_of
from jepa_compare.config.errors import in_one_line
from jepa_compare.config.hydra_internals import expand
from jepa_compare.config.schema import Config
from jepa_compare.config.secrets import refuse_secrets
from jepa_compare.config.typed import from_plain
from jepa_compare.sweep import processes
from jepa_compare.sweep.job import Job
from jepa_compare.sweep.processes import ProcessSettings
from jepa_compare.sweep.tuning.stages import StudyPlan
from jepa_compare.sweep.tuning.study import SWEEPER, continued, study_of


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """What a command line asks for."""

    jobs: list[Job]
    overrides: list[str]
    """Those with which Hydra sees the same jobs in the same directory."""
    multirun: bool
    processes: ProcessSettings | None
    """Of a sweep whose jobs get a process each; None: Hydra and its launchers take the jobs."""
    all_known: bool = True
    """False of a sweeper that makes its jobs as it goes: `jobs` is then what they share, one job
    that may never run."""
    study: StudyPlan | None = None
    """Of `hydra/sweeper=tune`; `jobs` then grows as the stages before a stage are complete."""


def fresh_sweep_name() -> str:
    """A directory name that no other sweep has, also not one of the same second."""
    return f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{secrets.token_hex(3)}"


def parse_command_line(
    overrides: Sequence[str], *, multirun: bool, config_dir: str | None = None
) -> CommandLine:
    """Compose, type and check every job of a command line. Raises ConfigError in one line.

    Where no sweep is named, the overrides that come back name a fresh one, so that every process
    of this command agrees on the directory.
    """
    overrides = list(overrides)
    with composition(config_dir), in_one_line(overrides):
        parsed = OverridesParser.create().parse_overrides(overrides)
        for override in parsed:  # before anything shows its value
            refuse_secrets(override.value(), override.key_or_group)
        # A composition for what is the same in all jobs; the swept values are left out.
        fixed = [o.input_line or "" for o in parsed if not o.is_sweep_override()]
        base = compose(fixed)
        if base.sweep is None:
            overrides.append(f"sweep={fresh_sweep_name()}")
            fixed.append(overrides[-1])
        multirun = multirun or base.hydra.mode == RunMode.MULTIRUN
        swept = {str(o.key_or_group) for o in parsed if o.is_sweep_override()}
        if not multirun:
            refuse_sweep(base, swept)
        settings = _process_settings(base) if multirun else None
        tuned = base.hydra.sweeper._target_ == SWEEPER
        plan = _study_plan(overrides, base, config_dir, multirun) if tuned else None
        for override in () if tuned else parsed:
            if override.key_or_group.split(".")[0] == "tuning":
                raise ConfigError(
                    f"{override.input_line}: has no effect without hydra/sweeper=tune"
                )
        all_known = True
        if plan is not None:
            lists = []
        elif not multirun:
            lists = [overrides]
        elif str(base.hydra.sweeper._target_).endswith(".BasicSweeper"):
            lists = expand(overrides, base.hydra.sweeper.params or {})
        elif settings is None:
            lists, all_known = [fixed], False
        else:
            raise ConfigError(
                "hydra/launcher=process: works with hydra/sweeper=basic or tune alone"
            )
        if multirun:
            swept |= {str(key) for key in base.hydra.sweeper.params or {}}
        jobs: list[Job] = []
        for job in lists:
            jobs.append(_composed(job, swept, multirun=multirun))
    if plan is not None:
        jobs = plan.jobs(list(plan.trials()))
        jobs += plan.jobs(list(plan.following(jobs[0].directory.parent)))
    return CommandLine(
        jobs=jobs,
        overrides=overrides,
        multirun=multirun,
        processes=settings,
        all_known=all_known,
        study=plan,
    )


def refuse_sweep(base: DictConfig, swept: Collection[str]) -> None:
    """Raise a ConfigError where a command line without -m describes more than one run."""
    if swept:
        raise ConfigError(
            f"{', '.join(sorted(swept))}: several values, which -m trains one after another: add -m"
            " (quote what is one value with a comma in it: key='a,b')"
        )
    params = base.hydra.sweeper.get("params")
    if params:
        preset = base.hydra.runtime.choices.get("experiment")
        what = f"experiment={preset}" if preset else "hydra.sweeper.params"
        raise ConfigError(
            f"{what}: describes a sweep over {', '.join(map(str, params))}: add -m (one run with"
            " its other settings: hydra.sweeper.params=null)"
        )


def _study_plan(
    overrides: Sequence[str], base: DictConfig, config_dir: str | None, multirun: bool
) -> StudyPlan:
    """The study of a command line, as it begins or goes on in its sweep."""
    if not multirun:
        raise ConfigError("hydra/sweeper=tune: a study is many runs; add -m")
    study, fixed = study_of(OverridesParser.create().parse_overrides(list(overrides)), base)
    study = continued(study, Path(compose(fixed).hydra.sweep.dir))
    swept = {"aux_loss", "seed"} | {key for loss in study.losses.values() for key in loss.space}
    return StudyPlan(
        study=study,
        fixed=fixed,
        steps=base.training.steps,
        compose=functools.partial(_composed, swept=swept, multirun=True),
        config_dir=config_dir,
    )


def _composed(overrides: list[str], swept: Collection[str], *, multirun: bool) -> Job:
    with named(overrides, swept), in_one_line(overrides):
        cfg = compose(overrides)
        return job_of(cfg, _directory(cfg, multirun=multirun))


@contextmanager
def named(overrides: Sequence[str], swept: Collection[str]) -> Iterator[None]:
    """Let a ConfigError about one of several jobs say which one, by what was swept."""
    try:
        yield
    except ConfigError as error:
        which = " ".join(o for o in overrides if o.partition("=")[0] in swept)
        raise ConfigError(f"{error} (in the job {which})" if which else str(error)) from error


def job_of(cfg: DictConfig, directory: Path) -> Job:
    """The job that a composition describes. Raises ConfigError for values out of range."""
    identity = identity_of(cfg)
    config = from_plain(Config, identity.config)
    config.check()
    return Job(config=config, directory=directory, identity=identity)


def _directory(cfg: DictConfig, *, multirun: bool) -> Path:
    if multirun:
        return Path(cfg.hydra.sweep.dir) / str(cfg.hydra.sweep.subdir)
    return Path(cfg.hydra.run.dir)


def _process_settings(base: DictConfig) -> ProcessSettings | None:
    launcher = OmegaConf.to_container(base.hydra.launcher, resolve=True)
    assert isinstance(launcher, dict)
    if launcher.pop("_target_", None) != processes.__name__:
        return None
    settings = from_plain(ProcessSettings, launcher, "hydra.launcher")
    bounds.check(settings, "hydra.launcher")
    return settings
