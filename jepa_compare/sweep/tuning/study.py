"""What a command line with `hydra/sweeper=tune` asks for: the losses, their spaces, the stages."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from jepa_compare.checks import ConfigError
from jepa_compare.config import bounds
from jepa_compare.config.compose import compose, plain
from jepa_compare.config.schema import Config
from jepa_compare.config.tuning import TuningSettings
from jepa_compare.config.typed import from_plain
from jepa_compare.runs.codec import encode
from jepa_compare.runs.identity import without_idle
from jepa_compare.runs.layout import STUDY
from jepa_compare.runs.reader import read_record
from jepa_compare.runs.records import SCHEMA_VERSION
from jepa_compare.runs.study_records import StudyFile, StudyLoss
from jepa_compare.runs.untrusted import Damaged
from jepa_compare.runs.writer import differing_keys
from jepa_compare.sweep.tuning.space import ranges, sobol_values
from jepa_compare.system import files

SWEEPER = "jepa_compare.sweep.tuning"
"""`hydra.sweeper._target_` of `hydra/sweeper=tune`: a switch, nothing that Hydra builds."""
_SEEDS = {
    "seed": "each stage has training seeds of its own, from tuning.first_seed",
    "evaluation.seed": "each stage is evaluated on tasks of its own, from tuning.first_seed",
}
_TASK_SEEDS = ("task_seed", "probe_seed", "planner_seed")
_DEFAULT_SEARCH = {"weight": 10}
_MAY_CHANGE = ("trials", "values", "versions")


def study_of(parsed: Sequence[Override], base: DictConfig) -> tuple[StudyFile, list[str]]:
    """The study that a command line asks for, and the overrides that all of its runs share.

    `base` is the composition of what is not swept. Raises ConfigError for what a study cannot be.
    """
    settings = from_plain(
        TuningSettings, OmegaConf.to_container(base.tuning, resolve=True), "tuning"
    )
    bounds.check(settings, "tuning")
    options, fixed = _split(parsed, base)
    losses: dict[str, StudyLoss] = {}
    metrics: set[str] = set()
    for option in options:
        cfg = compose([*fixed, f"aux_loss={option}"])
        config = plain(cfg)
        name = config["aux_loss"]["name"]
        if name in losses:
            raise ConfigError(f"aux_loss={losses[name].option},{option}: both are {name}")
        losses[name] = _loss(option, config, settings)
        metrics.add(_primary_metric(config))
    study = StudyFile(
        schema_version=SCHEMA_VERSION,
        id="",
        metric=metrics.pop(),
        sampler="sobol",
        study_seed=settings.study_seed,
        first_seed={stage: seeds.start for stage, seeds in settings.seeds().items()},
        trials=settings.trials,
        confirm_top=settings.confirm_top,
        confirm_seeds=settings.confirm_seeds,
        report_seeds=settings.report_seeds,
        default_seeds=settings.default_seeds,
        report_steps=settings.report_steps,
        losses=losses,
        versions=_versions(),
    )
    return replace(study, id=files.content_hash(_lasting(study))), fixed


def _split(parsed: Sequence[Override], base: DictConfig) -> tuple[list[str], list[str]]:
    """The options of aux_loss, and the overrides that all runs share, presets' `params` first.

    Seeds of a preset are passed over: a study has its own.
    """
    params = [f"{key}={value}" for key, value in (base.hydra.sweeper.params or {}).items()]
    of_preset = [o for o in OverridesParser.create().parse_overrides(params) if _key(o) != "seed"]
    typed = {_key(override) for override in parsed}
    for key in _SEEDS.keys() & typed:
        raise ConfigError(f"{key}= cannot be set with hydra/sweeper=tune: {_SEEDS[key]}")
    options, fixed = [str(base.hydra.runtime.choices.aux_loss)], list[str]()
    for override in [*(o for o in of_preset if _key(o) not in typed), *parsed]:
        if _key(override) == "aux_loss":
            swept = override.is_sweep_override()
            names = override.sweep_string_iterator() if swept else [override.value()]
            options = [str(name) for name in names]
        elif override.is_sweep_override():
            raise ConfigError(
                f"{override.input_line}: with hydra/sweeper=tune aux_loss alone is swept; give one"
                " value here, and study each of several in a sweep of its own"
            )
        else:
            fixed.append(override.input_line or "")
    return options, fixed


def _key(override: Override) -> str:
    return override.key_or_group


def _loss(option: str, config: Mapping[str, Any], settings: TuningSettings) -> StudyLoss:
    """One loss: a user's own without `search` has its weight searched, and what is shared."""
    node = config["aux_loss"]
    seeds = {key: config["evaluation"].get(key) for key in _TASK_SEEDS}
    for key, value in seeds.items():
        if value is not None:
            key = f"evaluation.{key}"
            reason = _SEEDS["evaluation.seed"]
            raise ConfigError(f"{key}={value}: must be null with hydra/sweeper=tune: {reason}")
    search = node.get("search")
    if search is None:
        search = _DEFAULT_SEARCH if node["weight"] else {}
    if not isinstance(search, Mapping):
        raise ConfigError(f"aux_loss.search={search}: must be a node of ranges (aux_loss={option})")
    try:
        own = ranges(search, node, "aux_loss", shared=False)
    except ConfigError as error:
        raise ConfigError(f"{error} (aux_loss={option})") from error
    space = own | ranges(settings.search, config, "", shared=True)
    if not space:
        raise ConfigError(f"aux_loss={option}: nothing to search; set tuning.search")
    values = sobol_values(space, settings.trials, settings.study_seed, node["name"])
    return StudyLoss(option=option, space=space, values=values, config=_counting(config))


def _counting(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that can change a number, evaluations included, without the seeds."""
    switches = {f"training.{name}": value for name, value in config["training"].items()}
    kept = without_idle(config, switches)
    kept["evaluation"] = {k: v for k, v in kept["evaluation"].items() if k != "seed"}
    return {key: value for key, value in kept.items() if key != "seed"}


def _primary_metric(config: Mapping[str, Any]) -> str:
    from jepa_compare.build import build_source  # torch

    typed = from_plain(Config, config)
    typed.check()
    return build_source(typed).primary_metric


def _versions() -> dict[str, str]:
    from jepa_compare.system.provenance import versions  # torch

    return versions()


def _lasting(study: StudyFile) -> dict[str, Any]:
    """What of a study may not change in its sweep, as plain data."""
    content = {k: v for k, v in encode(study).items() if k not in ("id", *_MAY_CHANGE)}
    losses = {
        name: {key: value for key, value in loss.items() if key not in _MAY_CHANGE}
        for name, loss in content["losses"].items()
    }
    return files.finite(content | {"losses": losses})


def stored_study(directory: Path) -> StudyFile | None:
    """The study of a sweep; raises ConfigError for a damaged file."""
    try:
        return read_record(StudyFile, directory, STUDY)
    except Damaged as damage:
        raise ConfigError(f"{directory}: {damage}; choose another sweep=") from damage


def continued(study: StudyFile, directory: Path) -> StudyFile:
    """The study as the sweep in `directory` goes on with it: nothing but more trials is new.

    Raises ConfigError, which names the difference, if another study lives there.
    """
    stored = stored_study(directory)
    if stored is None:
        return study
    changed = differing_keys(_lasting(stored), _lasting(study))
    if study.trials < stored.trials:
        changed.append(f"trials: {stored.trials} -> {study.trials}, which may only be raised")
    for name in stored.losses.keys() & study.losses.keys():
        for key, values in stored.losses[name].values.items():
            now = study.losses[name].values.get(key, [])[: len(values)]
            if not changed and now != values:
                scipy = f"scipy {stored.versions.get('scipy')} -> {study.versions['scipy']}"
                changed.append(f"the values tried of {name}.{key} ({scipy})")
    if changed:
        text = "; ".join(changed)
        raise ConfigError(f"{directory} holds another study ({text}); choose another sweep=")
    return replace(study, versions=stored.versions)
