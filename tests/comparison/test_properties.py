"""What must hold of any sweep, whatever was swept, edited, missing or measured."""

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa_compare.comparison import Comparison, Run, Runs, compare
from jepa_compare.comparison.differences import value_of
from tests.support.simulated import ERROR, make_run

SCORE = st.integers(1, 400).map(lambda k: k / 16)  # exact in binary, also when shifted
RUN = st.tuples(
    st.sampled_from(["vicreg", "dino", "none"]),
    st.integers(0, 4),
    st.sampled_from([0.1, 0.01]),  # training.lr, swept
    st.sampled_from([32, 64]),  # training.batch_size, edited and not swept
    SCORE,
)


SWEEPS = st.lists(RUN, min_size=1, max_size=24, unique_by=lambda run: run[:4])
"""Runs of which no two have the same settings and seed, so with holes in the grid."""

Drawn = list[tuple[str, int, float, int, float]]


def runs_of(drawn: Drawn, shift: float = 0.0) -> list[Run]:
    """(Not in the strategy: the type checker draws random numbers, which hypothesis forbids.)"""
    return [
        make_run(
            loss,
            seed,
            {ERROR: score + shift},
            swept={"training.lr": lr},
            changed={"training.batch_size": batch},
        )
        for loss, seed, lr, batch, score in drawn
    ]


def compared(runs: Sequence[Run], **options) -> Comparison:
    return compare(Runs(runs=tuple(runs), left_out=(), roots=()), **options)


@settings(max_examples=30, deadline=None)
@given(SWEEPS)
def test_rows_divide_the_runs_and_average_over_seeds_alone(drawn: Drawn) -> None:
    runs = runs_of(drawn)
    comparison = compared(runs)
    members = [run for row in comparison.rows for run in row.runs]
    assert sorted(run.hash for run in members) == sorted(run.hash for run in runs)
    assert len({row.label for row in comparison.rows}) == len(comparison.rows)
    keys = [*comparison.axes, *(unswept.key for unswept in comparison.unswept)]
    for row in comparison.rows:
        assert len(row.seeds) == len(row.runs)
        assert all(len({value_of(run, key) for run in row.runs}) == 1 for key in keys)
    if len({run.config["training.batch_size"] for run in runs}) > 1:
        assert any(
            "training.batch_size differs between runs" in text for text in comparison.warnings
        )


@settings(max_examples=30, deadline=None)
@given(SWEEPS, st.randoms(use_true_random=False))
def test_the_order_on_disk_does_not_matter(drawn: Drawn, shuffle: random.Random) -> None:
    runs = runs_of(drawn)
    other = list(runs)
    shuffle.shuffle(other)
    one, two = compared(runs), compared(other)
    assert [row.label for row in one.rows] == [row.label for row in two.rows]
    assert (one.conclusion, one.warnings, one.best) == (two.conclusion, two.warnings, two.best)
    for pair, twin in zip(one.pairs["all", ERROR], two.pairs["all", ERROR], strict=True):
        assert pair.sentence == twin.sentence
        assert dict(pair.differences) == dict(twin.differences)


@settings(max_examples=30, deadline=None)
@given(SWEEPS, st.integers(-8, 8))
def test_a_shift_of_all_scores_moves_no_difference(drawn: Drawn, shift: int) -> None:
    """Pairing removes what losses share."""
    one, two = compared(runs_of(drawn)), compared(runs_of(drawn, 32.0 + shift))
    for pair in one.pairs["all", ERROR]:
        (twin,) = [t for t in two.pairs["all", ERROR] if {t.a, t.b} == {pair.a, pair.b}]
        sign = 1 if twin.a == pair.a else -1
        assert {s: sign * gap for s, gap in twin.differences.items()} == dict(pair.differences)
        assert twin.separable == pair.separable
        assert twin.p_holm == pytest.approx(pair.p_holm, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(SWEEPS)
def test_a_conclusion_stands_on_a_test_and_a_test_on_two_seeds(drawn: Drawn) -> None:
    runs = runs_of(drawn)
    comparison = compared(runs)
    for pairs in comparison.pairs.values():
        for pair in pairs:
            assert pair.separable == (pair.p_holm < 0.05)
            assert pair.p_holm >= pair.p or math.isnan(pair.p)
            if pair.note:
                assert math.isnan(pair.p) and not pair.separable
            else:
                assert len(pair.differences) >= 2 and not pair.confounded
                assert pair.interval is not None and pair.interval[0] < pair.interval[1]
                assert (pair.interval[0] > 0 or pair.interval[1] < 0) == (pair.p < 0.05)
    for row in comparison.rows:
        interval = comparison.estimate(row, ERROR).interval
        assert interval is None or len(row.seeds) > 1
    if comparison.best is not None:
        others = {row.label for row in comparison.rows if comparison.estimate(row, ERROR).n} - {
            comparison.best
        }
        beaten = {
            pair.b if pair.a == comparison.best else pair.a
            for pair in comparison.pairs["all", ERROR]
            if pair.separable and comparison.best in (pair.a, pair.b)
        }
        assert beaten == others
