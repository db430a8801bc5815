"""Run directories that version 0.1.0 wrote, read by today's code."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from jepa_compare.comparison import compare, load_runs
from jepa_compare.comparison.loading.history import read_episodes, read_history, read_spectrum
from jepa_compare.runs import layout
from jepa_compare.runs.version_1 import upgrade_config

OLD = Path(__file__).with_name("version_1")
"""`aux_loss=vicreg,none seed=0,1 training=smoke evaluation=fast`, without pictures and weights."""


def recorded(name: str) -> list[dict[str, Any]]:
    return [
        json.loads((path / layout.SUMMARY).read_text())["metrics"]
        for path in sorted(OLD.glob(f"{name}_s*"))
    ]


def test_they_give_their_table_marked_as_unverified() -> None:
    runs = load_runs(OLD)
    assert not runs.left_out
    assert len(runs) == 4 and all(run.unverified for run in runs)
    comparison = compare(runs)
    means = {
        row.label: tuple(
            round(comparison.estimate(row, key).mean, 6)
            for key in ("eval/probe_rmse", "eval/spread")
        )
        for row in comparison.rows
    }
    assert means == {"vicreg": (3.706968, 0.404742), "none": (8.022956, 0.015991)}
    sentence = "4 run(s) are of an older version of the files and are read unverified."
    assert sentence in comparison.warnings


@pytest.mark.parametrize("name", ["vicreg", "none"])
def test_every_part_of_them_is_read(name: str) -> None:
    runs = [run for run in load_runs(OLD) if run.name == name]
    for run, metrics in zip(runs, recorded(name), strict=True):
        assert run.metrics["eval/probe_rmse"] == metrics["eval/probe_rmse"]
        assert set(run.tasks) == {"same", "door", "detour"} and len(run.floors) == 5
        assert run.cost["seconds.interim_evaluations"] > 0
        assert len(read_spectrum(run)) == 128 and read_episodes(run)
        history = read_history(run)
        assert history.skipped == 0 and len(history.column("train/loss")[1]) >= 2


def test_a_file_of_today_does_not_verify_the_others(tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(next(OLD.glob("vicreg_s0_*")), path)
    config = json.loads((path / layout.CONFIG).read_text())
    (path / layout.CONFIG).write_text(json.dumps(config | {"schema_version": 2}))
    (run,) = load_runs(path)
    assert run.unverified


def test_a_recipe_that_bore_another_name_gets_its_own() -> None:
    config = {"name": "vicreg", "config": {"aux_loss": {"name": "vicreg", "std_coeff": 16.0}}}
    upgraded = upgrade_config(config | {"choices": {"aux_loss": "vicreg_context"}})
    assert upgraded["name"] == upgraded["config"]["aux_loss"]["name"] == "vicreg_context"
    assert upgraded["config"]["aux_loss"]["std_coeff"] == 16.0
    alias = config | {"choices": {"aux_loss": "barlow"}}
    assert upgrade_config(alias) == alias
