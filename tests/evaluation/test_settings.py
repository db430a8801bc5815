"""The settings: every YAML fits them, every value out of range is one clear line."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from jepa_compare.evaluation.settings import EvaluationSettings

CONF = Path(__file__).parents[2] / "conf" / "evaluation"


def load(name: str, **overrides: object) -> EvaluationSettings:
    """The settings of one YAML, as the config's composition gives them."""

    def layers(name: str) -> list[Any]:
        node = OmegaConf.load(CONF / f"{name}.yaml")
        assert isinstance(node, DictConfig)
        bases = node.pop("defaults", [])
        return [layer for base in bases for layer in layers(base)] + [node]

    composed = OmegaConf.create({"data": {"episode_steps": 24}, "evaluation": {}})
    composed.evaluation = OmegaConf.merge(*layers(name))
    OmegaConf.resolve(composed)
    merged = OmegaConf.merge(OmegaConf.structured(EvaluationSettings), composed.evaluation)
    for key, value in overrides.items():
        OmegaConf.update(merged, key.replace("__", "."), value)
    settings = OmegaConf.to_object(merged)
    assert isinstance(settings, EvaluationSettings)
    return settings


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_preset_fits_the_schema(path: Path) -> None:
    load(path.stem).check()


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("seed", -1, "at least 0"),
        ("rollout_steps", [1, 17], "between 1 and frames - 1 = 16"),
        ("rollout_steps", [8, 8], "different steps"),
        ("collapse_trajectories", 300, "between 2 and trajectories=256"),
        ("planning__tasks", 0, "at least 1"),
        ("planning__kinds", ["door", "door"], "without repetition"),
        ("planning__replan_interval", 11, "at most planning.planner.horizon=10"),
        ("planning__planner__kind", "cme", "cem or mppi"),
        ("planning__planner__elites", 65, "between 2 and planning.planner.samples=64"),
        ("planning__planner__initial_std", 0.0, "above 0"),
        ("planning__planner__max_action_norm", -1.0, "above 0"),
        ("planning__planner__temperature", 0.1, "null for cem"),
        ("planning__planner__execute", "sample", "mean or best for cem"),
        ("figures__gif_episodes", 9, "between 0 and figures.episodes=8"),
    ],
)
def test_a_value_out_of_range_is_named(key: str, value: object, allowed: str) -> None:
    with pytest.raises(ValueError) as caught:
        load("default", **{key: value}).check()
    message = str(caught.value)
    assert message.startswith(f"evaluation.{key.replace('__', '.')}={value}: must be")
    assert allowed in message
    assert "\n" not in message


def test_the_settings_do_not_need_torch() -> None:
    code = "import sys, jepa_compare.evaluation.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
