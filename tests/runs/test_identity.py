"""Which settings name a run, and that the names of the shipped runs stay."""

from typing import Any

import pytest

from jepa_compare.runs.identity import (
    ADDED,
    CANNOT_CHANGE_A_NUMBER,
    COUNTS_UNLESS,
    counts,
    run_hash,
)
from jepa_compare.sweep.plan import parse_command_line

SHIPPED = {
    "vicreg": "a1fead1a",
    "vicreg_context": "d7b1e66d",
    "barlow": "22aed035",
    "barlow_twins": "22aed035",
    "barlow_auto": "409d3e36",
    "dino": "ead31f39",
    "dino_paper": "17c3d0d1",
    "dino_center": "10a709d3",
    "sigreg": "f1d6145c",
    "none": "c83e270a",
}
"""Of the default task at seed 0. Moved by a decided change of a default only, which says so."""


def composed(*overrides: str) -> dict[str, Any]:
    return parse_command_line(list(overrides), multirun=False).jobs[0].identity.config


def digest(*overrides: str) -> str:
    return run_hash(composed(*overrides))


@pytest.mark.parametrize(("loss", "digest"), SHIPPED.items())
def test_the_shipped_runs_keep_their_names(loss: str, digest: str) -> None:
    assert run_hash(composed(f"aux_loss={loss}")) == digest


def test_the_preset_of_the_reference_task_keeps_its_name() -> None:
    assert run_hash(composed("experiment=two_rooms_random_wall")) == "2bf1e76d"


def test_what_cannot_change_a_number_is_a_key_that_there_is() -> None:
    later = {"hydra", "label", "study", "tuning", "aux_loss.search"}  # of other versions' configs
    recorded = {
        key for key in CANNOT_CHANGE_A_NUMBER if key.startswith(("environment.", "command"))
    }
    config = composed()
    for key in (CANNOT_CHANGE_A_NUMBER - later - recorded) | {
        key for key, _ in COUNTS_UNLESS.values()
    }:
        node: Any = config
        for part in key.split("."):
            node = node[part]  # KeyError: no such setting
    assert COUNTS_UNLESS.keys() <= CANNOT_CHANGE_A_NUMBER


def test_a_setting_counts_unless_nothing_depends_on_it() -> None:
    assert counts("training.lr", {}) and counts("label_smoothing", {})
    assert not counts("tracking", {}) and not counts("tracking.mode", {})
    assert not counts("evaluation.interval", {})
    assert counts("evaluation.interval", {"training.on_collapse": "stop"})
    assert not counts("evaluation.planning.chunk", {"training.on_collapse": "stop"})


def test_the_hash_ignores_the_order_of_keys() -> None:
    config = composed()
    assert run_hash(config) == run_hash(dict(reversed(list(config.items()))))


@pytest.mark.parametrize(
    "override",
    [
        "sweep=other",
        "tracking=offline",
        "evaluation.seed=7",
        "training.log_interval=1",
        "training.gradient_interval=7",
        "training.retries=3",
        "training.stall_timeout=9",
    ],
)
def test_what_cannot_change_the_weights_is_left_out(override: str) -> None:
    assert run_hash(composed(override)) == run_hash(composed())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["seed=1"], []),
        (["device=cpu"], []),  # as asked for: auto is a value
        (["training.num_threads=1"], []),
        (["helper=temporal_similarity"], []),
        (
            ["training.compile=auto", "training.gradient_interval=7"],
            ["training.compile=auto"],
        ),
        (
            ["training.on_collapse=stop", "evaluation.interval=7"],
            ["training.on_collapse=stop"],
        ),
    ],
)
def test_what_can_change_the_weights_is_not(one: list[str], other: list[str]) -> None:
    assert run_hash(composed(*one)) != run_hash(composed(*other))


def test_a_key_that_was_added_later_counts_where_it_departs_from_the_old_behaviour() -> None:
    old = dict(composed())
    new = old | {"training": old["training"] | {"momentum": 0.9}}
    added = {**ADDED, "training.momentum": 0.9}
    assert run_hash(new, added) == run_hash(old, added) == run_hash(old)
    other = old | {"training": old["training"] | {"momentum": 0.5}}
    assert run_hash(other, added) != run_hash(old)


def test_a_decay_that_rises_renames_a_run_and_a_constant_one_does_not() -> None:
    old = composed()
    del old["aux_loss"]["final_target_decay"]
    assert run_hash(old) == digest("aux_loss.final_target_decay=null")
    assert digest("aux_loss.final_target_decay=1.0") != digest()


def test_a_search_range_of_the_loss_is_left_out() -> None:
    config = composed()
    searched = config | {"aux_loss": config["aux_loss"] | {"search": {"weight": [0.1, 10]}}}
    assert run_hash(searched) == run_hash(config)


@pytest.mark.slow
def test_what_may_stop_a_run_or_decides_what_is_compiled_is_in_the_hash() -> None:
    evaluations = (
        "evaluation.seed=1",
        "evaluation.interval=7",
        "evaluation.collapse_interval=7",
        "evaluation.frames=23",
        "evaluation.trajectories=300",
        "evaluation.collapse_trajectories=30",
    )
    stop = "training.on_collapse=stop"
    for setting in evaluations:
        assert digest(setting) == digest(), setting
        assert digest(stop, setting) != digest(stop), setting
    assert digest(stop, "evaluation.planning.tasks=7") == digest(stop)
    eager_steps = "training.gradient_interval=7"
    assert digest(eager_steps) == digest()
    for mode in ("default", "auto"):
        compile = f"training.compile={mode}"
        assert digest(compile, eager_steps) != digest(compile)
