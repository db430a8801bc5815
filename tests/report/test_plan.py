"""`jepa-compare plan`: its numbers, its text, and what it does not know."""

import math
from pathlib import Path

import numpy as np
import pytest

from jepa_compare.cli import main
from jepa_compare.comparison import compare, load_runs
from jepa_compare.comparison.smallest_effect import recorded_effects, smallest_effect
from jepa_compare.report.plan import make_plan
from jepa_compare.statistics import decide, seeds_to_decide
from tests.support.synthetic import DEFAULT_LOSSES, Sweep, write_run

THREE = {name: DEFAULT_LOSSES[name] for name in ("vicreg", "barlow_twins", "dino")}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Sweep(
        path=tmp_path_factory.mktemp("plan") / "sweep", losses=THREE, seeds=range(4)
    ).write()


def test_each_pair_is_planned_at_its_own_sd(sweep: Path) -> None:
    comparison = compare(load_runs(sweep))
    plan = make_plan(comparison, 0.1)
    assert plan.family == 3 and len(plan.pairs) == 3
    for planned in plan.pairs:
        sd = np.std(list(planned.pair.differences.values()), ddof=1)
        assert planned.sd == pytest.approx(sd)
        expected = seeds_to_decide(sd=planned.sd, difference=0.1, pairs=3)
        assert expected is not None and planned.seeds == expected
        low, high = planned.seeds_range
        assert low is not None and high is not None and low <= expected <= high
    assert plan.each == max(planned.seeds or 0 for planned in plan.pairs)
    assert plan.each is not None and plan.together is not None and plan.together > plan.each


def test_the_answer_holds_when_it_is_played_out(sweep: Path) -> None:
    """At the sd of each pair and a true difference of .1: every pair is found in four of five
    sweeps with `each` seeds, and all of them in four of five with `together`."""
    plan = make_plan(compare(load_runs(sweep)), 0.1)
    rng = np.random.default_rng(0)
    sds = np.array([planned.sd for planned in plan.pairs])[:, None]

    def found(seeds: int) -> np.ndarray:
        draws = (0.1 + sds * rng.normal(size=(len(sds), seeds)) for _ in range(400))
        return np.array([[d.answer == "better" for d in decide(draw, None)] for draw in draws])

    assert plan.each is not None and plan.together is not None
    assert (found(plan.each).mean(axis=0) > 0.74).all()  # three standard errors below .8
    assert found(plan.together).all(axis=1).mean() > 0.74


def test_the_command_prints_pairs_totals_and_cost(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(sweep), "--effect", "0.05", "--power", "0.9"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Seeds that would find a difference of 0.05 detour success (power .9,")
    assert "corrected for 3 pairs" in text
    assert "vicreg and barlow_twins" in text
    plan = make_plan(compare(load_runs(sweep)), 0.05, 0.9)
    assert plan.each is not None
    runs = 3 * (plan.each - 4)
    assert f"All pairs, each with power .9: {plan.each} seeds per row ({runs} runs, about" in text


def test_enough_is_said(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(sweep), "--effect", "0.9"]) == 0
    text = capsys.readouterr().out
    assert "enough" in text and "seeds per row (enough)" in text


def test_the_smallest_effect_is_the_runs_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, effect in enumerate((0.2, 0.2, 0.3)):
        for loss in THREE.values():
            changes = {"evaluation.smallest_effect": {"success_detour": effect}}
            write_run(tmp_path / "own", loss=loss, seed=seed, changes=changes)
    runs = load_runs(tmp_path / "own")
    comparison = compare(runs)
    assert recorded_effects(runs, comparison.primary) == (0.2, 0.3)
    assert smallest_effect(runs, comparison.primary) == 0.2
    assert main(["plan", str(tmp_path / "own")]) == 0
    assert "a difference of 0.2 detour success" in capsys.readouterr().out
    (door,) = (metric for metric in comparison.metrics if metric.name == "success_door")
    assert smallest_effect(runs, door) is None


def test_runs_from_before_have_a_tenth_for_rates_alone(sweep: Path) -> None:
    runs = load_runs(sweep)
    by_name = {metric.name: metric for metric in compare(runs).metrics}
    assert smallest_effect(runs, by_name["success_door"]) == 0.1
    assert smallest_effect(runs, by_name["probe_rmse"]) is None


def test_one_seed_is_nothing_to_plan_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Sweep(path=tmp_path / "one", losses=THREE, seeds=range(1)).write()
    assert main(["plan", str(path)]) == 0
    assert "nothing to plan from" in capsys.readouterr().out
    plan = make_plan(compare(load_runs(path)), 0.1)
    assert plan.each is None and all(math.isnan(pair.sd) for pair in plan.pairs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--effect", "0"], "effect=0.0: must be above 0"),
        (["--effect", "nan"], "effect=nan: must be above 0"),
        (["--effect", "1.5"], "effect=1.5: rates cannot be further apart than 1"),
        (["--power", "1"], "power=1.0: must be above .05 and below 1"),
        (["--metric", "probe_rmse"], "no smallest effect of probe_rmse is recorded: "),
        (["--metric", "nope"], "metric=nope: no run has it"),
    ],
)
def test_a_mistake_is_one_line(
    sweep: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["plan", str(sweep), *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"jepa-compare: {message}") and error.count("\n") == 1
