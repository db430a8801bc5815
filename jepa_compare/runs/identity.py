"""Which settings make a run the run that it is, and which cannot change a number.

The name of a run directory is a hash of the settings that determine the trained weights. Two runs
that differ in nothing but the settings listed here are the same run.
"""

from collections.abc import Mapping
from typing import Any

from jepa_compare.system.files import content_hash

OUTSIDE = frozenset({"hydra", "sweep", "label", "study", "tuning", "tracking", "evaluation"})
"""Nodes of the config that the weights do not depend on."""
OUTSIDE_AUX_LOSS = frozenset({"search"})
OUTSIDE_TRAINING = frozenset(
    {"log_interval", "gradient_interval", "checkpoint_interval", "retries"}
)
# Except where they do: a run that stops when it collapses is stopped by an evaluation of these data
# at these steps, and of a compiled run the steps that measure gradients run eagerly.
STOPS_BY = (
    "seed",
    "interval",
    "collapse_interval",
    "frames",
    "trajectories",
    "collapse_trajectories",
)
ADDED: Mapping[str, Any] = {}
"""Keys that are younger than the hashes of published runs, each with the value that reproduces what
was done before it was there: with that value the key is left out, so that no old run is renamed."""


def run_hash(config: Mapping[str, Any], added: Mapping[str, Any] = ADDED) -> str:
    """8 hex digits of what determines the run: the plain, resolved config.

    `device` counts as it was asked for (`auto` is a value); what it resolved to stands in the
    summary's `hardware`.
    """
    kept = {key: value for key, value in config.items() if key not in OUTSIDE}
    training = config["training"]
    kept["aux_loss"] = _without(config["aux_loss"], OUTSIDE_AUX_LOSS)
    kept["training"] = _without(training, OUTSIDE_TRAINING)
    if training["compile"] != "off":
        kept["training"]["gradient_interval"] = training["gradient_interval"]
    if training["on_collapse"] == "stop":
        kept["evaluation"] = {key: config["evaluation"][key] for key in STOPS_BY}
    for key, old in added.items():
        kept = _without_old_value(kept, key.split("."), old)
    return content_hash(kept)


def _without(node: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key not in keys}


def _without_old_value(node: dict[str, Any], path: list[str], old: Any) -> dict[str, Any]:
    """`node` without the key at `path`, if it has the value `old`."""
    first, *rest = path
    if first not in node or (not rest and node[first] != old):
        return node
    if not rest:
        return _without(node, frozenset({first}))
    return node | {first: _without_old_value(node[first], rest, old)}
