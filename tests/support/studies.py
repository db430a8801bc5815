"""Studies whose runs are written down instead of trained: every file is the product's own."""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from jepa_compare.evaluation.evaluator import Evaluation
from jepa_compare.evaluation.stored import Floors, evaluation_hash, store_evaluation
from jepa_compare.runs import layout
from jepa_compare.runs.records import Divergence
from jepa_compare.runs.writer import RunWriter
from jepa_compare.sweep.directory import announced, run_stages
from jepa_compare.sweep.job import Job
from jepa_compare.sweep.plan import CommandLine, parse_command_line
from jepa_compare.training import Diverged
from tests.support.records import finished_summary
from tests.support.runs import TINY

SMALL = (
    "tuning.trials=3",
    "tuning.confirm_top=2",
    "tuning.confirm_seeds=1",
    "tuning.report_seeds=2",
    "tuning.default_seeds=1",
    "tuning.report_steps=[1,3]",
)
"""9 runs per loss."""

Score = Callable[[Job], float | None]
"""The success rate that a run is to have; None: it diverges."""


class Cut(BaseException):
    """The launcher is gone."""


def study(where: Path, *overrides: str) -> CommandLine:
    """The command line of a small study in a sweep of its own."""
    return parse_command_line(
        [*TINY, *SMALL, "hydra/sweeper=tune", f"hydra.sweep.dir={where}", "sweep=s", *overrides],
        multirun=True,
    )


def carry_out(command: CommandLine, score: Score, *, cut_after: int | None = None) -> None:
    """Have all stages run, as far as `cut_after` runs; then the launcher dies."""
    left = [cut_after]

    def launch(jobs: Sequence[Job]) -> None:
        for job in jobs:
            if left[0] == 0:
                raise Cut
            left[0] = None if left[0] is None else left[0] - 1
            finish_run(job, score(job))

    with suppress(Cut), announced(command):
        run_stages(command, launch)


def finish_run(job: Job, score: float | None) -> None:
    """The directory of a run with this success rate in `detour`; its probe depends on its seed."""
    steps = job.config.training.steps
    with suppress(Diverged), RunWriter(job.directory, job.identity, steps) as writer:
        if score is None:
            lost = Divergence(step=1, term="train/loss")
            writer.write_summary(replace(finished_summary(), status="diverged", diverged=lost))
            raise Diverged(1, "train/loss")
        # No two seeds have the same rows: one would be a copy.
        rmse = 1 + job.config.seed / 1e6
        metrics: dict[str, float | None] = {"eval/success_detour": score, "eval/probe_rmse": rmse}
        evaluation = Evaluation(
            metrics=metrics, descriptions={}, primary_metric="eval/success_detour", seconds=1.0
        )
        settings, floors = job.config.evaluation, Floors(keys={}, untrained={})
        store_evaluation(job.directory, evaluation, floors, settings, steps)
        writer.append_metrics({"step": steps, **metrics})
        name = evaluation_hash(settings)
        writer.write_summary(
            replace(finished_summary(), metrics=metrics, evaluation=name, steps=steps)
        )


def uses(sweep: Path) -> dict[str, dict[str, Any]]:
    """What each run of a sweep is for, by the name of its directory."""
    configs = sorted(sweep.glob(f"*/{layout.CONFIG}"))
    return {path.parent.name: json.loads(path.read_text())["study"] for path in configs}


def count(uses: Iterable[dict[str, Any]], **what: Any) -> int:
    """How many of `uses` have these values."""
    return sum(all(use[key] == value for key, value in what.items()) for use in uses)
