"""Generalisation: trained on some layouts of the reference source, evaluated on the others."""

from pathlib import Path

import pytest
import torch

from jepa_compare import build
from jepa_compare.comparison import compare, load_runs
from jepa_compare.evaluation.held_out import sample_held_out
from jepa_compare.rng import generator
from tests.support.runs import job, train

HELD_OUT = ("data=two_rooms_random_wall_held_out", "model=impala_gru")
CPU = torch.device("cpu")


def walls(obs: torch.Tensor) -> set[bytes]:
    """What the frames [* 2 h w] show of wall and door: each layout in one way."""
    return {frame.numpy().tobytes() for frame in obs[..., 1, :, :].flatten(0, -3).unique(dim=0)}


def test_a_run_is_evaluated_on_layouts_that_it_is_not_trained_on() -> None:
    """The very batches and tasks of a run, by its streams."""
    config = job(*HELD_OUT, "evaluation.trajectories=150", "evaluation.planning.tasks=100").config
    source = build.build_source(config)
    suite, environment = source.task_suite, source.environment
    assert suite is not None and environment is not None
    trained: set[bytes] = set()
    for step in range(40):
        draw = generator(config.seed, "data", step)
        trained |= walls(source.sample(draw, 32, 2, CPU).obs)
    held_out = sample_held_out(source, config.evaluation, CPU)
    evaluated = set().union(*(walls(b.obs) for b in (held_out.fit, *held_out.sets)))
    for kind in config.evaluation.planning.kinds:
        draw = generator(config.evaluation.seed, f"evaluation/{kind}")
        tasks = suite.sample(draw, kind, config.evaluation.planning.tasks, CPU)
        for start in (tasks.start, tasks.goal):
            evaluated |= walls(environment.render(environment.reset(start)))
    assert len(trained) > 600 and len(evaluated) > 200
    assert not trained & evaluated


@pytest.mark.slow
def test_its_metrics_stand_in_the_table(tmp_path: Path) -> None:
    train(tmp_path / "run", *HELD_OUT, "training.steps=3", "training.warmup_steps=1")
    comparison = compare(load_runs(tmp_path))
    (row,) = comparison.rows
    for metric in ("eval/success_detour", "eval/probe_rmse"):
        assert comparison.estimate(row, metric).n == 1
    assert {reference.policy for reference in comparison.references} >= {
        "straight_line",
        "true_dynamics_geodesic",
    }
