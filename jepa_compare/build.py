"""From a checked config to the parts of a run. The only place that follows a `_target_`."""

import importlib
import inspect
import typing
from collections.abc import Mapping
from typing import Any

import torch

from jepa_compare.checks import ConfigError, RangeError, did_you_mean
from jepa_compare.config.schema import AUX_LOSS_KEYS, Config
from jepa_compare.config.typed import fits, type_name
from jepa_compare.data.base import Source
from jepa_compare.losses import AuxLoss, HelperTerm, HelperTerms
from jepa_compare.losses.synonyms import KNOWN_AS
from jepa_compare.models import JEPA, Encoder, Predictor
from jepa_compare.rng import generator, seeded


def construct(
    key: str, node: Mapping[str, Any], base: type, reserved: tuple[str, ...], **given: Any
):
    """Build the class that `node["_target_"]` names from the node's other keys.

    `key` is the node's name in errors, `reserved` are its keys that are no arguments, `given`
    are arguments that the program supplies. Raises ConfigError, in one line, for a target that
    does not import or is no `base`, and for an argument that is unknown, missing, of the wrong
    type or out of range (the constructor's own ValueError).
    """
    target = node["_target_"]
    constructor = _imported(key, target, base)
    parameters = dict(inspect.signature(constructor).parameters)
    hints = typing.get_type_hints(constructor.__init__)
    arguments = {name: value for name, value in node.items() if name not in reserved}
    accepted = [name for name in parameters if name not in given]
    for name, value in arguments.items():
        if name not in accepted:
            hint = _hint(name, accepted, reserved)
            raise ConfigError(
                f"{key}.{name}={value}: unknown key{hint}; {target} has {', '.join(accepted)}"
            )
        hint = hints.get(name, Any)
        if not fits(value, hint):
            raise ConfigError(f"{key}.{name}={value}: must be of type {type_name(hint)}")
    for name in accepted:
        if name not in arguments and parameters[name].default is inspect.Parameter.empty:
            raise ConfigError(f"{key}.{name}: missing; {target} needs it")
    try:
        return constructor(**given, **arguments)
    except RangeError as error:
        raise ConfigError(str(error.under(key))) from error
    except ValueError as error:
        message = " ".join(str(error).split())
        raise ConfigError(message if key in message else f"{key}: {message}") from error


def _imported(key: str, target: str, base: type) -> type:
    """The subclass of `base` that `target` names. Raises ConfigError if there is none."""
    try:
        module, _, attribute = target.rpartition(".")
        constructor = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever the user's module raises while it is imported
        raise ConfigError(
            f"{key}._target_={target}: cannot be imported ({type(error).__name__}: {error})"
        ) from error
    if not (isinstance(constructor, type) and issubclass(constructor, base)):
        raise ConfigError(f"{key}._target_={target}: is not a {base.__module__}.{base.__name__}")
    return constructor


def foreign_targets(config: Any) -> set[str]:
    """Every `_target_` of a plain configuration that is not of this package: somebody's code."""
    if isinstance(config, Mapping):
        found = {text for value in config.values() for text in foreign_targets(value)}
        target = config.get("_target_")
        ours = isinstance(target, str) and target.startswith("jepa_compare.")
        return found if target is None or ours else found | {str(target)}
    if isinstance(config, (list, tuple)):
        return {text for value in config for text in foreign_targets(value)}
    return set()


def _hint(name: str, accepted: list[str], reserved: tuple[str, ...]) -> str:
    """What an unknown key is called here, by the names that papers and other packages have for it,
    else the one that is spelled most like it."""
    meant = next((known for known in KNOWN_AS.get(name, ()) if known in accepted), None)
    return f" ({meant!r} here)" if meant else did_you_mean(name, [*accepted, *reserved])


def build_source(config: Config) -> Source:
    """The source of trajectories that `config.data` describes."""
    return construct("data", config.data, Source, ("name", "_target_"))


def build_model(config: Config, source: Source) -> JEPA:
    """Encoder, predictor and target encoder, on the CPU, initialised from the seed alone."""
    node = config.model
    with seeded(config.seed, "init/encoder"):
        encoder: Encoder = construct(
            "model.encoder",
            node.encoder,
            Encoder,
            ("_target_",),
            obs_shape=tuple(source.obs_shape),
            dim=node.dim,
        )
    with seeded(config.seed, "init/predictor"):
        predictor: Predictor = construct(
            "model.predictor",
            node.predictor,
            Predictor,
            ("_target_",),
            dim=node.dim,
            action_dim=source.action_dim,
            norm=encoder.norm,
        )
    return JEPA(
        encoder=encoder,
        predictor=predictor,
        dim=node.dim,
        rollout_steps=config.training.rollout_steps,
        target=config.aux_loss["target"],
        target_decay=config.aux_loss["target_decay"],
        final_target_decay=config.aux_loss.get("final_target_decay"),
    )


def build_aux_loss(config: Config) -> AuxLoss:
    """The auxiliary loss, its head initialised from a stream of its own."""
    node = config.aux_loss
    with seeded(config.seed, "init/aux_loss"):
        aux_loss: AuxLoss = construct(
            "aux_loss", node, AuxLoss, AUX_LOSS_KEYS, dim=config.model.dim
        )
    inert = aux_loss.inert_terms(node["target"])
    if inert and not node.get("allow_inert_target", False):
        raise ConfigError(
            f"aux_loss.target={node['target']}: {inert}; use aux_loss.target=shared, or say"
            f" aux_loss.allow_inert_target=true if that is what you want"
        )
    return aux_loss


def build_helpers(config: Config, source: Source) -> HelperTerms:
    """The helper terms, equal for every loss of a sweep; one of weight 0 is not built.

    Each is initialised from the start of one stream, so that no term depends on another.
    """
    terms: dict[str, HelperTerm] = {}
    weights: dict[str, float] = {}
    for name, node in config.helper.items():
        if name == "name" or not node["weight"]:
            continue
        with seeded(config.seed, "init/helper"):
            terms[name] = construct(
                f"helper.{name}",
                node,
                HelperTerm,
                ("_target_", "weight"),
                dim=config.model.dim,
                action_dim=source.action_dim,
            )
        weights[name] = node["weight"]
    return HelperTerms(terms=terms, weights=weights)


def resolve_device(name: str) -> torch.device:
    """The device that `device=auto` stands for here. Raises ConfigError if it does not exist."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise ConfigError(
                f"device={name}: this machine has {count} CUDA devices; use device=auto"
            )
    return device


def check_source(config: Config, source: Source) -> None:
    """Raise a ConfigError if the source cannot make the data or the tasks that a run asks for."""
    cpu = torch.device("cpu")
    for part, frames in (
        ("training", config.training.frames),
        ("evaluation", config.evaluation.frames),
    ):
        try:
            source.sample(generator(config.seed, "data"), 1, frames, cpu)
        except ValueError as error:
            raise ConfigError(
                f"{part}.frames={frames}: data={config.data['name']} cannot make them: {error}"
            ) from error
    planning, suite = config.evaluation.planning, source.task_suite
    if suite is None:
        return  # and nothing is planned
    if planning.kinds and source.action_kind != "continuous":
        raise ConfigError(
            f"evaluation.planning.kinds={planning.kinds}: the planners need continuous actions,"
            f" those of data={config.data['name']} are {source.action_kind}; set it to []"
        )
    for kind in planning.kinds:
        if kind not in suite.kinds:
            raise ConfigError(
                f"evaluation.planning.kinds={kind}: data={config.data['name']} has"
                f" {', '.join(suite.kinds)}"
            )
        try:
            for seed in config.evaluation.task_seeds():
                draws = generator(seed, f"evaluation/{kind}")
                suite.sample(draws, kind, planning.tasks, cpu)
        except ValueError as error:
            raise ConfigError(
                f"evaluation.planning.kinds={kind}: data={config.data['name']} cannot make them:"
                f" {error}"
            ) from error


def check(config: Config) -> int:
    """Build every part of a run once; returns the bytes that a checkpoint of it will take.

    Raises ConfigError if the run could not start or end: values, constructors, device, tasks.
    """
    config.check()
    resolve_device(config.device)
    source = build_source(config)
    check_source(config, source)
    parts = (build_model(config, source), build_aux_loss(config), build_helpers(config, source))
    weights = sum(p.numel() * p.element_size() for part in parts for p in part.parameters())
    return 3 * weights  # AdamW keeps two moments
