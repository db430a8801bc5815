"""The parts of a run that are large, read when asked for: curves, episodes, spectrum, pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from jepa_compare.comparison.loading.summary import read_evaluation
from jepa_compare.comparison.runs import Run
from jepa_compare.runs import layout
from jepa_compare.runs.evaluation_records import EvaluationFile
from jepa_compare.runs.metrics_log import read_rows
from jepa_compare.runs.untrusted import Damaged, regular_file, shown

_MOST_COLUMNS = 500


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class History:
    """The learning curves of one run, one row per logged step."""

    steps: Int[np.ndarray, " rows"]
    """Increasing; of a step that was logged twice (a resumed run) the later row counts."""
    columns: Mapping[str, Float[np.ndarray, " rows"]]
    """"train/loss", "aux/...", "eval/..."; NaN where a row does not carry the key."""
    skipped: int
    """Lines that could not be read."""

    def column(self, key: str) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, " k"]]:
        """(steps, values) of the rows that carry a finite value of `key`; empty if none does."""
        values = self.columns.get(key, np.full(len(self.steps), np.nan))
        there = np.isfinite(values)
        return self.steps[there], values[there]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Episode:
    """One recorded planning episode."""

    kind: str
    task: int
    success: bool
    path: Float[np.ndarray, "positions 2"]
    """Positions of the agent, (x, y) in px."""
    goal: Float[np.ndarray, " 2"]
    walls: Float[np.ndarray, "walls 4"]
    """Rectangles, (x0, y0, x1, y1) in px."""


def damaged_lines(path: Path) -> int:
    """How many lines of the run's metrics cannot be read; raises `Damaged` for the whole file."""
    return sum(row is None for row in read_rows(path))


def read_history(run: Run) -> History:
    """The learning curves of `run`; empty when it has none. Damaged lines are skipped."""
    rows: dict[int, dict[str, float]] = {}
    skipped = 0
    try:
        for line in read_rows(run.path):
            if line is None:
                skipped += 1
                continue
            row = rows.setdefault(line.step, {})
            for key, value in line.values.items():
                row[shown(key)] = np.nan if value is None else value
    except Damaged:
        rows = {}
    steps = sorted(rows)
    keys = list(dict.fromkeys(key for step in steps for key in rows[step]))[:_MOST_COLUMNS]
    return History(
        steps=np.array(steps, dtype=np.int64),
        columns={key: np.array([rows[s].get(key, np.nan) for s in steps], float) for key in keys},
        skipped=skipped,
    )


def _evaluation(run: Run) -> EvaluationFile | None:
    if run.evaluation is None:
        return None
    try:
        return read_evaluation(run.path, run.evaluation)
    except Damaged:
        return None


def read_spectrum(run: Run) -> Float[np.ndarray, " d"]:
    """Singular values of the centred latents divided by the largest; empty when not recorded."""
    evaluation = _evaluation(run)
    return np.array(evaluation.spectrum if evaluation else [], float)


def read_episodes(run: Run) -> tuple[Episode, ...]:
    """Recorded planning episodes of every kind."""
    evaluation = _evaluation(run)
    return tuple(
        Episode(
            kind=shown(kind),
            task=episode.task,
            success=episode.success,
            path=np.array(episode.path, float).reshape(-1, 2),
            goal=np.array(episode.goal, float),
            walls=np.array(episode.walls, float).reshape(-1, 4),
        )
        for kind, episodes in (evaluation.episodes if evaluation else {}).items()
        for episode in episodes
    )


def picture(run: Run, name: str) -> Path | None:
    """figures/<name> of the run if it is a regular file that no link leads to."""
    try:
        return regular_file(run.path, layout.FIGURES, name)
    except Damaged:
        return None
