"""Runs whose scores a test gives, and the pairs of their comparison."""

from pathlib import Path
from typing import Any

from jepa_compare.comparison import Comparison
from jepa_compare.comparison.results import Pair
from tests.support.synthetic import DEFAULT_LOSSES, write_run

RMSE = "eval/probe_rmse"


def pair_of(comparison: Comparison, a: str, b: str, key: str = "") -> Pair:
    pairs = comparison.pairs["all", key or comparison.primary.key]
    (pair,) = [pair for pair in pairs if {pair.a, pair.b} == {a, b}]
    return pair


def write_scores(
    path: Path, scores: dict[str, dict[int, float]], metric: str = RMSE, **options: Any
) -> Path:
    """One run per loss and seed with the score given."""
    for name, seeds in scores.items():
        for seed, score in seeds.items():
            write_run(
                path, loss=DEFAULT_LOSSES[name], seed=seed, metrics={metric: score}, **options
            )
    return path
