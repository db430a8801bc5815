"""Floors are computed once, kept, told apart by what they depend on, and repaired."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import jepa_compare.config.evaluation as settings_module
from jepa_compare.config.evaluation import EVALUATION_VERSION, EvaluationSettings
from jepa_compare.data import TwoRooms
from jepa_compare.evaluation.floors import (
    floor_key,
    reference_floors,
    stored_floor,
)
from jepa_compare.evaluation.stored import evaluation_hash
from jepa_compare.runs.evaluation_records import FloorFile
from jepa_compare.runs.records import SCHEMA_VERSION

CPU = torch.device("cpu")
POLICIES = (
    "random",
    "straight_line",
    "door_script",
    "true_dynamics_straight",
    "true_dynamics_geodesic",
)
LoadSettings = Callable[..., EvaluationSettings]


def test_the_floors_of_a_source_are_stored_and_reused(
    source: TwoRooms, source_config: dict[str, Any], few: EvaluationSettings, tmp_path: Path
) -> None:
    directory = tmp_path / "floors"
    keys = reference_floors(source.task_suite, source_config, few, directory, CPU)
    assert set(keys) == set(POLICIES)
    written = {path.name: path.read_bytes() for path in directory.iterdir()}
    assert set(written) == {f"{key}.json" for key in keys.values()}
    script = json.loads(written[f"{keys['door_script']}.json"])
    assert script["policy"] == "door_script"
    assert script["seed"] is None
    assert script["metrics"]["eval/success_detour"] == 1.0
    assert script["tasks"]["door"]["success"] == [True] * few.planning.tasks

    before = {path: path.stat().st_mtime_ns for path in directory.iterdir()}
    assert reference_floors(source.task_suite, source_config, few, directory, CPU) == keys
    assert {path: path.stat().st_mtime_ns for path in directory.iterdir()} == before


def test_where_nothing_is_planned_no_policy_plays(
    source: TwoRooms, few: EvaluationSettings, tmp_path: Path
) -> None:
    nothing = dataclasses.replace(few, planning=dataclasses.replace(few.planning, kinds=[]))
    for suite, settings in ((None, few), (source.task_suite, nothing)):
        assert reference_floors(suite, {}, settings, tmp_path, CPU) == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        '{"schema_version": VERSION}',
        '{"schema_version": VERSION, "policy": "straight_line", "seed": null, "metrics": {},'
        ' "tasks": {}}',
        '{"schema_version": 0, "policy": "random", "seed": null, "metrics": {}, "tasks": {}}',
        '{"schema_version": VERSION, "policy": "random", "seed": null, "metrics": {"a": "b"},'
        ' "tasks": {}}',
        '{"schema_version": VERSION, "policy": "random", "seed": null, "metrics": {},'
        ' "tasks": {"door": {"success": [true], "steps": []}}}',
    ],
)
def test_a_damaged_or_foreign_file_is_computed_again(damage: str, tmp_path: Path) -> None:
    floor = FloorFile(
        schema_version=SCHEMA_VERSION,
        policy="random",
        seed=None,
        metrics={"eval/success_door": 0.5},
        tasks={},
    )
    (tmp_path / "abc.json").write_text(damage)
    assert stored_floor(tmp_path, "abc", "random", None, lambda: floor) == floor

    def never() -> FloorFile:
        raise AssertionError("computed twice")

    assert stored_floor(tmp_path, "abc", "random", None, never) == floor


def test_the_key_holds_what_the_numbers_depend_on(settings_of: LoadSettings) -> None:
    base, world = settings_of("default"), {"name": "two_rooms", "size": 32}
    other_planner = settings_of("default", planning__planner__samples=32)
    model = {"dim": 128}

    def key(policy: str, settings: EvaluationSettings = base, **more: Any) -> str:
        return floor_key(policy, more.pop("world", world), settings, **more)

    assert len({key(policy) for policy in POLICIES}) == len(POLICIES)
    assert key("random") != key("random", world={**world, "size": 40})
    assert key("random") != key("random", settings_of("default", seed=1))
    assert key("random") == key("random", other_planner)
    assert key("true_dynamics_geodesic") != key("true_dynamics_geodesic", other_planner)
    assert key("true_dynamics_geodesic") == key(
        "true_dynamics_geodesic", settings_of("default", planning__chunk=3)
    )
    assert key("true_dynamics_geodesic") == key(
        "true_dynamics_geodesic", settings_of("default", frames=18)
    )
    untrained = key("untrained", model_config=model, seed=0)
    assert untrained != key("untrained", model_config=model, seed=1)
    assert untrained != key("untrained", model_config={"dim": 64}, seed=0)
    assert untrained != key(
        "untrained", settings_of("default", frames=18), model_config=model, seed=0
    )


def test_another_version_of_the_code_computes_every_number_again(
    settings_of: LoadSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, world = settings_of("default"), {"name": "two_rooms"}

    def names() -> list[str]:
        keys = [floor_key(policy, world, settings) for policy in POLICIES]
        untrained = floor_key("untrained", world, settings, {"dim": 128}, 0)
        return [*keys, untrained, evaluation_hash(settings)]

    before = names()
    assert names() == before
    monkeypatch.setattr(settings_module, "EVALUATION_VERSION", EVALUATION_VERSION + 1)
    assert not set(names()) & set(before)
