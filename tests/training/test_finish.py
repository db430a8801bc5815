"""The end of a run: its directory is complete, and others can use what it has learned."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jepa_compare.export import NoSuchRun, load_run
from jepa_compare.runs import layout
from jepa_compare.runs.codec import decode, encode
from jepa_compare.runs.records import SummaryFile
from jepa_compare.system import files
from jepa_compare.training import Diverged, checkpoint
from jepa_compare.training.finish import finish
from tests.support.runs import job, read_status, rows, train, training


def test_the_run_directory_holds_what_the_contract_says(tmp_path: Path) -> None:
    summary = train(tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {
        layout.CONFIG,
        layout.STATUS,
        layout.METRICS,
        layout.CHECKPOINT,
        layout.CHECKPOINT_PREVIOUS,
        layout.EXPORT,
        layout.EVALUATIONS,
        layout.FLOORS,
        layout.SUMMARY,
    }
    assert read_status(tmp_path / "run")["state"] == "completed"
    assert encode(decode(SummaryFile, summary, layout.SUMMARY)) == summary  # nothing else in it
    assert summary["status"] in ("healthy", "no_better_than_untrained", "complete_collapse")
    assert summary["parameters"]["encoder"] == 150_432
    assert set(summary["floors"]) == {
        "random",
        "straight_line",
        "door_script",
        "true_dynamics_geodesic",
        "true_dynamics_straight",
        "untrained",
    }
    steps = [row["step"] for row in rows(tmp_path / "run")]
    assert steps == sorted(set(steps)) and steps[0] == 0 and steps[-1] == 20
    first = rows(tmp_path / "run")[0]
    for key in ("train/loss", "train/gradient_prediction", "train/gradient_aux", "eval/spread"):
        assert key in first


def test_an_exported_run_is_loaded_by_whoever_wants_to_use_it(tmp_path: Path) -> None:
    train(tmp_path / "run")
    encoder, predictor = load_run(tmp_path / "run")
    z = encoder(torch.rand(3, 1, 32, 32))
    assert predictor.rollout(z, torch.zeros(3, 2, 2), 2).shape == (3, 2, 128)
    state = checkpoint.load(tmp_path / "run", job().identity.hash, torch.device("cpu"))
    assert state is not None
    trained = state["objective"]["model.encoder.body.0.weight"]
    assert torch.equal(encoder.body[0].weight, trained)  # pyright: ignore
    (tmp_path / "run" / layout.EXPORT).unlink()
    with pytest.raises(NoSuchRun, match="did not finish"):
        load_run(tmp_path / "run")


def test_the_summary_says_where_the_time_went(tmp_path: Path) -> None:
    ticks = iter((1000.0, 1003.5))  # before and after the final evaluation
    with training(tmp_path / "run") as (state, context):
        state.step, state.seconds, state.interim_seconds = 6, 6.0, 120.0
        finish(state, replace(context, clock=lambda: next(ticks)))
    summary = files.read_json(tmp_path / "run" / layout.SUMMARY)
    assert summary["seconds"] == {
        "train": 6.0,
        "interim_evaluations": 120.0,
        "evaluation": 3.5,
        "total": 129.5,
    }
    assert summary["samples_per_second"] == 8 * job().config.training.frames


def test_a_run_that_diverged_is_neither_evaluated_nor_exported(tmp_path: Path) -> None:
    with training(tmp_path / "run") as (state, context):
        state.step = 3
        finish(state, context, Diverged(3, "aux/std"))
    summary = files.read_json(tmp_path / "run" / layout.SUMMARY)
    assert (summary["status"], summary["metrics"]) == ("diverged", {})
    assert summary["diverged"] == {"step": 3, "term": "aux/std"}
    assert summary["evaluation"] is None and summary["steps"] == 3
    assert summary["untrained"]["eval/probe_rmse"] > 0
    assert not (tmp_path / "run" / layout.EXPORT).exists()
