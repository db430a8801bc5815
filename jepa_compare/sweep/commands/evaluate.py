"""Evaluate finished runs again: another planner, more tasks, another seed. Nothing is trained.

    jepa-compare evaluate RUN_DIR... evaluation=random_wall_cem evaluation.seed=1

A folder stands for all finished runs below it. What is not overridden stays as the run had it. The
result is a further file in the run's evaluations/; a result that is there already is kept.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from jepa_compare.build import build_source, check_source, resolve_device
from jepa_compare.checks import ConfigError, exit_with_error
from jepa_compare.config.compose import compose, composition
from jepa_compare.config.errors import in_one_line
from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.config.schema import Config
from jepa_compare.config.secrets import refuse_secrets
from jepa_compare.config.typed import from_plain
from jepa_compare.evaluation.evaluator import Evaluator
from jepa_compare.evaluation.stored import (
    evaluation_path,
    floors_directory,
    floors_of,
    store_evaluation,
)
from jepa_compare.export import NoSuchRun, load_config, load_model
from jepa_compare.runs import layout
from jepa_compare.runs.lock import Locked
from jepa_compare.runs.vouching import is_vouched_for, vouch_for_evaluation
from jepa_compare.sweep.launched import launched
from jepa_compare.system import files
from jepa_compare.system.stall import StallWatch
from jepa_compare.system.terminal import escape_tracebacks, say


def settings_with(config: Config, overrides: Sequence[str]) -> EvaluationSettings:
    """The evaluation of `config` with `evaluation=...` and `evaluation.key=value` applied.

    A preset reads what it takes from the data, as the steps of an episode, from the run's data.
    Raises ConfigError in one line for an override of anything else and for values out of range.
    """
    with composition(), in_one_line(overrides):
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        presets = [o.input_line or "" for o in parsed if o.key_or_group == "evaluation"]
        values = [o for o in parsed if o.key_or_group.startswith("evaluation.")]
        for override in parsed:
            refuse_secrets(override.value(), override.key_or_group)
            if override.key_or_group != "evaluation" and override not in values:
                raise ConfigError(
                    f"{override.input_line}: only evaluation=... and evaluation.<key>=... change"
                )
        composed = compose(presets)  # the whole: its keys have their full names in errors
        composed.data = unresolved(config.data)
        if not presets:
            composed.evaluation = from_plain(
                EvaluationSettings, unresolved(asdict(config.evaluation)), "evaluation"
            )
        for override in values:
            key = override.key_or_group
            open_node = key.startswith(("evaluation.measures.", "evaluation.smallest_effect."))
            if override.is_delete():
                _delete(composed, key, open_node)
            else:
                OmegaConf.update(composed, key, override.value(), force_add=open_node)
        refuse_secrets(OmegaConf.to_container(composed.evaluation, resolve=False), "evaluation")
        changed = OmegaConf.to_object(composed.evaluation)
    assert isinstance(changed, EvaluationSettings)
    changed.check()
    return changed


def _delete(composed: DictConfig, key: str, open_node: bool) -> None:
    """Leave out what is named in an open node; anything else has to be there."""
    path, _, name = key.rpartition(".")
    node = OmegaConf.select(composed, path)
    if not open_node or not isinstance(node, DictConfig) or name not in node:
        raise ConfigError(f"~{key}: only a measure or a smallest effect that is there can go")
    with open_dict(node):
        del node[name]


def unresolved(value: Any) -> Any:
    """Stored plain data for OmegaConf, in which every text remains a text: "${" is one too."""
    if isinstance(value, dict):
        return {key: unresolved(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unresolved(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"(\\*)\$\{", r"\1\1\\${", value)
    return value


def settings_in(text: str) -> EvaluationSettings:
    """The whole settings of an evaluation, as JSON. Raises ConfigError in one line."""
    try:
        node = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"--settings: is no JSON ({error})") from error
    refuse_secrets(node, "evaluation")
    settings = from_plain(EvaluationSettings, node, "evaluation")
    settings.check()
    return settings


def evaluate_run(
    directory: Path,
    settings: EvaluationSettings,
    device: str = "auto",
    config: Config | None = None,
) -> Path:
    """Evaluate a finished run with `settings`; returns the file with the result.

    `config` is the run's, where the caller has it; else the stored one, if it names no code that
    is not of this package. Raises NoSuchRun if the directory holds no finished run, ConfigError if
    the settings do not fit its source.
    """
    path = evaluation_path(directory, settings)
    if is_vouched_for(directory, path.stem):
        return path
    config = replace(config or load_config(directory), evaluation=settings)
    torch.set_num_threads(config.training.num_threads)  # as the floors' names say
    source = build_source(config)
    check_source(config, source)
    where = resolve_device(device)
    model = load_model(directory, where, config)
    step = files.read_json(directory / layout.SUMMARY)["steps"]
    evaluator = Evaluator(source, settings, where)
    with StallWatch(
        config.training.stall_timeout, lambda error: say(f"{directory}: {error}", sys.stderr)
    ):
        evaluation = evaluator.evaluate(model)
        floors = floors_of(config, source, evaluator, floors_directory(directory))
    stored = store_evaluation(directory, evaluation, floors, settings, step)
    vouch_for_evaluation(directory, stored.stem)
    return stored


def finished_runs(paths: Sequence[Path]) -> list[Path]:
    """The runs at or below `paths`, no link followed below one. Raises NoSuchRun for a path with
    none that is finished."""
    runs = []
    for path in paths:
        candidates = [path] if (path / layout.CONFIG).exists() else []
        found = sorted(p.parent for p in path.glob(f"**/*/{layout.CONFIG}"))
        candidates += [run for run in found if not run.is_symlink()]
        missing = [
            next((n for n in (layout.EXPORT, layout.SUMMARY) if not (run / n).exists()), None)
            for run in candidates
        ]
        finished = [run for run, name in zip(candidates, missing, strict=True) if name is None]
        if candidates and not finished:
            raise NoSuchRun(
                f"{candidates[0]} has no {missing[0]}: the run did not finish; give its command"
                " again"
            )
        if not finished:
            raise NoSuchRun(f"{path} holds no finished run; name a run directory, or a sweep's")
        runs += finished
    return runs


def main(arguments: Sequence[str] | None = None, prog: str = "jepa_compare.evaluate") -> None:
    """Entry point of `python -m jepa_compare.evaluate` and `jepa-compare evaluate`."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("arguments", nargs="+", metavar="RUN_DIR | evaluation=... | evaluation.k=v")
    parser.add_argument("--device", default="auto", help="auto | cpu | cuda | cuda:<index>")
    parser.add_argument("--trust", action="store_true", help="import the code that the runs name")
    parser.add_argument("--settings", metavar="JSON", help="the whole evaluation, not overrides")
    args = parser.parse_intermixed_args(arguments)  # options may stand anywhere
    escape_tracebacks()
    with launched():
        _main(args)


def _main(args: argparse.Namespace) -> None:
    overrides = [
        item
        for item in args.arguments
        if ("=" in item or item.startswith("~evaluation.")) and not Path(item).exists()
    ]
    paths = [Path(item) for item in args.arguments if item not in overrides]
    try:
        if not paths:
            raise NoSuchRun("name at least one run directory")
        runs = finished_runs(paths)
        configs = [load_config(run, trust=args.trust) for run in runs]
        if args.settings:
            wanted = [settings_in(args.settings)] * len(runs)
        else:
            wanted = [settings_with(config, overrides) for config in configs]
        asked = zip(runs, wanted, configs, strict=True)
        for number, (run, settings, config) in enumerate(asked, start=1):
            path = evaluate_run(run, settings, args.device, config)
            metrics = files.read_json(path)["metrics"]
            shown = [f"{k[5:]} {v:.3g}" for k, v in metrics.items() if "/success" in k and v]
            say(f"[{number}/{len(runs)}] {path}: {', '.join(shown)}")
    except (NoSuchRun, ConfigError, Locked, OSError) as error:
        exit_with_error(str(error))
