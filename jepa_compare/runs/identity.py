"""Which settings cannot change a number, and which make a run the run that it is.

What stands here is left out of the hash that names a run directory, of the one that names an
evaluation, and of the settings in which a comparison finds that runs differ. Standard library.
"""

from collections.abc import Mapping
from typing import Any

from jepa_compare.system.files import content_hash

CANNOT_CHANGE_A_NUMBER = frozenset(
    {
        "hydra",
        "sweep",
        "label",
        "study",
        "tuning",
        "tracking",
        "aux_loss.search",
        "training.log_interval",
        "training.gradient_interval",
        "training.checkpoint_interval",
        "training.retries",
        "training.stall_timeout",
        "evaluation.interval",
        "evaluation.collapse_interval",
        "evaluation.figures",
        "evaluation.smallest_effect",
        "evaluation.planning.chunk",
        "environment.CUDA_VISIBLE_DEVICES",
        "environment.SLURM_JOB_ID",
        "command",
    }
)
"""Dotted keys of the config, and of what a run records beside it: where and how often things are
written, how much memory is used, which machine of many. A node stands for all that is below it."""
COUNTS_UNLESS: Mapping[str, tuple[str, str]] = {
    "evaluation.interval": ("training.on_collapse", "warn"),
    "evaluation.collapse_interval": ("training.on_collapse", "warn"),
    "training.gradient_interval": ("training.compile", "off"),
}
"""Those that count all the same, unless another setting has the value named: a run that stops when
it collapses is stopped by an interim evaluation, and the steps of a compiled run that measure
gradients run eagerly."""
HARMLESS = frozenset(
    {
        "versions.wandb",
        "versions.scipy",
        "versions.hydra-core",
        "versions.omegaconf",
        "hardware.cores",
        "git.dirty",
    }
)
"""Recorded keys that compute no number either; a difference between runs is worth a warning."""
STOPS_BY = (
    "seed",
    "probe_seed",
    "interval",
    "collapse_interval",
    "frames",
    "trajectories",
    "collapse_trajectories",
)
"""Settings of the evaluation that the weights depend on where a collapse stops the run."""
ADDED: Mapping[str, Any] = {
    "aux_loss.final_target_decay": None,
    "evaluation.task_seed": None,
    "evaluation.probe_seed": None,
    "evaluation.planner_seed": None,
    "evaluation.smallest_effect": {},
    "training.stall_timeout": None,
}
"""Keys that are younger than published runs, each with the value that reproduces what was done
before it was there: with that value the key is left out of the hash, so that no old run is renamed,
and a stored configuration that lacks the key is read with it."""


def counts(key: str, config: Mapping[str, object]) -> bool:
    """Whether the setting at the dotted `key` can change a number of a run.

    `config`, with dotted keys too, holds the switches of `COUNTS_UNLESS`; a missing one is idle.
    """
    if key in COUNTS_UNLESS:
        switch, idle = COUNTS_UNLESS[key]
        return config.get(switch, idle) != idle
    return not any(f"{key}.".startswith(f"{node}.") for node in CANNOT_CHANGE_A_NUMBER)


def without_idle(
    node: Mapping[str, Any], config: Mapping[str, object], path: str = ""
) -> dict[str, Any]:
    """The settings of `node`, at the dotted `path` of a config, that can change a number."""
    kept: dict[str, Any] = {}
    for name, value in node.items():
        key = f"{path}.{name}" if path else name
        if counts(key, config):
            nested = isinstance(value, Mapping)
            kept[name] = without_idle(value, config, key) if nested else value
    return kept


def run_hash(config: Mapping[str, Any], added: Mapping[str, Any] = ADDED) -> str:
    """8 hex digits of what determines the run's weights: the plain, resolved config.

    `device` counts as it was asked for (`auto` is a value); what it resolved to stands in the
    summary's `hardware`.
    """
    switches = {f"training.{name}": value for name, value in config["training"].items()}
    kept = without_idle(config, switches)
    kept.pop("evaluation", None)
    if config["training"]["on_collapse"] == "stop":
        kept["evaluation"] = {key: config["evaluation"].get(key) for key in STOPS_BY}
    for key, old in added.items():
        kept = _without_old_value(kept, key.split("."), old)
    return content_hash(kept)


def _without_old_value(node: dict[str, Any], path: list[str], old: Any) -> dict[str, Any]:
    """`node` without the key at `path`, if it has the value `old`."""
    first, *rest = path
    if first not in node or (not rest and node[first] != old):
        return node
    if not rest:
        return {key: value for key, value in node.items() if key != first}
    return node | {first: _without_old_value(node[first], rest, old)}
