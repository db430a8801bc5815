"""Plain data become the typed configuration, or one clear line."""

import copy
from pathlib import Path
from typing import Any

import pytest

from jepa_compare.checks import ConfigError
from jepa_compare.config.schema import Config
from jepa_compare.config.typed import from_plain
from jepa_compare.runs.identity import ADDED, run_hash
from jepa_compare.system import files
from tests.support.runs import job


def test_a_composition_survives_its_file(tmp_path: Path) -> None:
    composed = job()
    files.write_json(tmp_path / "config.json", composed.identity.config)
    assert from_plain(Config, files.read_json(tmp_path / "config.json")) == composed.config


def test_an_int_is_a_float() -> None:
    config = copy.deepcopy(job().identity.config)
    config["training"]["lr"] = 1
    assert type(from_plain(Config, config).training.lr) is float


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seed", True, "seed=True: must be of type int"),
        ("seed", 0.5, "seed=0.5: must be of type int"),
        ("seed", None, "seed=None: must be of type int"),
        ("sweep", 3, "sweep=3: must be of type str | None"),
        ("training.lr", "fast", "training.lr=fast: must be of type float"),
        ("training.lrr", 1, "training.lrr: unknown key (did you mean 'lr'?); there is steps, "),
        ("training", [], "training=[]: must be a node"),
        ("evaluation.rollout_steps", ["1"], "rollout_steps=['1']: must be of type list[int]"),
        ("helper", {1: {}}, "helper={1: {}}: must be of type dict[str, typing.Any]"),
    ],
)
def test_what_does_not_fit_is_one_line(key: str, value: Any, message: str) -> None:
    config = copy.deepcopy(job().identity.config)
    *path, last = key.split(".")
    node = config
    for part in path:
        node = node[part]
    node[last] = value
    with pytest.raises(ConfigError) as caught:
        from_plain(Config, config)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_of_another_version_is_named() -> None:
    config = copy.deepcopy(job().identity.config)
    del config["training"]["retries"]
    with pytest.raises(ConfigError) as caught:
        Config.from_plain(config, Path("run/config.json"))
    reason = "training.retries: missing"
    assert str(caught.value) == f"run/config.json is no configuration of this version ({reason})"


def test_a_stored_configuration_may_lack_the_keys_that_are_younger() -> None:
    """As every run of before has it; the keys have the values that do what was done then."""
    composed = job()
    config = copy.deepcopy(composed.identity.config)
    for key in ADDED:
        node, name = key.split(".")
        config[node].pop(name, None)
    read = Config.from_plain(config, Path("run/config.json"))
    assert (read.training.stall_timeout, read.evaluation.task_seed) == (None, None)
    assert read.evaluation.smallest_effect == {}
    assert run_hash(config) == composed.identity.hash


def test_a_stored_configuration_may_have_a_key_that_is_gone() -> None:
    composed = job()
    config = copy.deepcopy(composed.identity.config)
    config["evaluation"]["figures"]["decoder_steps"] = 400
    assert Config.from_plain(config, Path("run/config.json")) == composed.config
    assert config["evaluation"]["figures"]["decoder_steps"] == 400  # what was handed in stays
