"""Generalisation: trained on some layouts of the reference world, evaluated on the others."""

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


def layouts(state: torch.Tensor | None) -> set[tuple[float, ...]]:
    assert state is not None
    return {tuple(row) for row in state.reshape(-1, 4)[:, 2:].tolist()}


def test_a_run_is_evaluated_on_layouts_that_it_is_not_trained_on() -> None:
    """The very batches and tasks of a run, by its streams."""
    config = job(*HELD_OUT, "evaluation.trajectories=150", "evaluation.planning.tasks=100").config
    world = build.build_world(config)
    trained: set[tuple[float, ...]] = set()
    for step in range(40):
        draw = generator(config.seed, "data", step)
        trained |= layouts(world.sample(draw, 32, 2, CPU).state)
    held_out = sample_held_out(world, config.evaluation, CPU)
    evaluated = set().union(*(layouts(b.state) for b in (held_out.fit, *held_out.sets)))
    for kind in config.evaluation.planning.kinds:
        draw = generator(config.evaluation.seed, f"evaluation/{kind}")
        tasks = world.sample_tasks(draw, kind, config.evaluation.planning.tasks, CPU)
        evaluated |= layouts(tasks[0]) | layouts(tasks[1])
    assert len(trained) > 600 and len(evaluated) > 200
    assert not trained & evaluated


@pytest.mark.slow
def test_its_metrics_stand_in_the_table(tmp_path: Path) -> None:
    train(tmp_path / "run", *HELD_OUT, "training.steps=3", "training.warmup_steps=1")
    comparison = compare(load_runs(tmp_path))
    (row,) = comparison.rows
    for metric in ("eval/success_detour", "eval/probe_rmse"):
        assert comparison.estimate(row, metric).n == 1
    assert {reference.policy for reference in comparison.references} >= {"straight_line", "oracle"}
