"""The settings: every YAML fits them, every value out of range is one clear line."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.settings import load_settings

CONF = Path(__file__).parents[2] / "conf" / "evaluation"


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_preset_fits_the_schema(path: Path) -> None:
    load_settings(path.stem).check()


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("seed", -1, "at least 0"),
        ("task_seed", [], "null, an int of at least 0, or a list of different ones"),
        ("task_seed", [3, 3], "a list of different ones"),
        ("task_seed", [3, -1], "a list of different ones"),
        ("task_seed", True, "a list of different ones"),
        ("task_seed", "five", "a list of different ones"),
        ("probe_seed", -1, "at least 0"),
        ("planner_seed", -1, "at least 0"),
        ("rollout_steps", [1, 17], "between 1 and frames - 1 = 16"),
        ("rollout_steps", [8, 8], "different steps"),
        ("collapse_trajectories", 300, "between 2 and trajectories=256"),
        ("planning__tasks", 0, "at least 1"),
        ("planning__kinds", ["door", "door"], "without repetition"),
        ("planning__replan_interval", 11, "at most planning.planner.horizon=10"),
        ("planning__planner__kind", "cme", "one of cem, mppi (did you mean 'cem'?)"),
        ("planning__planner__elites", 65, "between 2 and planning.planner.samples=64"),
        ("planning__planner__initial_std", 0.0, "above 0"),
        ("planning__planner__max_action_norm", -1.0, "above 0"),
        ("planning__planner__temperature", 0.1, "null for cem"),
        ("planning__planner__execute", "sample", "mean or best for cem"),
        ("measures__mine", {"steps": 1}, "a node with a `_target_`"),
        ("smallest_effect__success_door", 0.0, "finite and above 0"),
        ("smallest_effect__success_door", float("nan"), "finite and above 0"),
        ("figures__gif_episodes", 9, "between 0 and figures.episodes=8"),
    ],
)
def test_a_value_out_of_range_is_named(key: str, value: object, allowed: str) -> None:
    with pytest.raises(ValueError) as caught:
        load_settings("default", **{key: value}).check()
    message = str(caught.value)
    assert message.startswith(f"evaluation.{key.replace('__', '.')}={value}: must be")
    assert allowed in message
    assert "\n" not in message


def test_the_settings_do_not_need_torch() -> None:
    code = "import sys, jepa_compare.config.evaluation; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_only_what_decides_the_results_is_part_of_the_identity() -> None:
    identity = load_settings("default").identity()
    for key, value in (
        ("planning__chunk", 7),
        ("interval", 7),
        ("collapse_interval", 7),
        ("figures__enabled", False),
        ("smallest_effect", {"probe_rmse": 0.2}),
    ):
        assert load_settings("default", **{key: value}).identity() == identity
    for key, value in (("seed", 1), ("planning__tasks", 7), ("planning__planner__cost", "mse")):
        assert load_settings("default", **{key: value}).identity() != identity


def test_seeds_that_are_what_they_follow_leave_an_evaluation_what_it_was() -> None:
    base = load_settings("default", seed=3)
    same = load_settings("default", seed=3, task_seed=[3], probe_seed=3, planner_seed=3)
    assert same.identity() == base.identity()
    assert not {"task_seed", "probe_seed", "planner_seed"} & base.identity().keys()
    for key, value in (("task_seed", [3, 4]), ("probe_seed", 0), ("planner_seed", 1)):
        assert load_settings("default", seed=3, **{key: value}).identity() != base.identity()
    one, other = (load_settings("default", task_seed=seed).identity() for seed in (4, [4]))
    assert one == other
