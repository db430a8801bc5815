"""Pairs of rows: by seed, by task, over matching settings; what is dropped and what has no test."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from jepa_compare.comparison import compare, load_runs
from jepa_compare.comparison import pairs as pairing
from jepa_compare.report.tables import combinations
from jepa_compare.runs import layout
from jepa_compare.statistics import holm
from tests.support.scored import RMSE, pair_of, write_scores
from tests.support.signing import sign
from tests.support.synthetic import DEFAULT_LOSSES, Sweep, write_run

VICREG, DINO, NONE = (DEFAULT_LOSSES[name] for name in ("vicreg", "dino", "none"))


def test_differences_are_by_seed_and_the_test_is_scipys(tmp_path: Path) -> None:
    vicreg, dino = {0: 0.3, 1: 0.5, 2: 0.2, 3: 0.4}, {3: 0.6, 2: 0.5, 1: 0.55, 0: 0.7}
    write_scores(tmp_path, {"vicreg": vicreg, "dino": dino})
    pair = pair_of(compare(load_runs(tmp_path), metric="probe_rmse"), "vicreg", "dino")
    sign = 1 if pair.a == "vicreg" else -1
    assert dict(pair.differences) == pytest.approx(
        {s: sign * (vicreg[s] - dino[s]) for s in range(4)}
    )
    x, y = ([scores[seed] for seed in range(4)] for scores in (vicreg, dino))
    expected = scipy.stats.ttest_rel(x, y)
    assert pair.p == pytest.approx(expected.pvalue)
    assert pair.p_holm == pair.p  # one pair
    interval = expected.confidence_interval(0.95)
    assert pair.interval == pytest.approx(sorted((sign * interval.low, sign * interval.high)))
    assert pair.mean == pytest.approx(sign * (np.mean(x) - np.mean(y)))


def test_a_seed_that_one_side_lacks_is_dropped_and_counted(tmp_path: Path) -> None:
    write_scores(tmp_path, {"vicreg": {0: 0.3, 1: 0.5, 2: 0.2}, "dino": {1: 0.9, 2: 0.7, 4: 0.8}})
    write_run(tmp_path, loss=DINO, seed=0, state="failed")
    comparison = compare(load_runs(tmp_path), metric="probe_rmse")
    pair = pair_of(comparison, "vicreg", "dino")
    assert sorted(pair.differences) == [1, 2]
    assert pair.dropped == 2
    assert comparison.estimate("dino", RMSE).missing == 1
    assert any(text.startswith("Seeds that could not be paired: ") for text in comparison.warnings)


def test_without_a_margin_the_primary_family_is_holm_over_its_pairs(tmp_path: Path) -> None:
    runs = load_runs(Sweep(path=tmp_path, seeds=range(4)).write())
    comparison = compare(runs, metric="probe_rmse")  # of which no smallest effect is stated
    pairs = comparison.primary_pairs
    assert len(pairs) == 10
    expected = holm(np.array([pair.p for pair in pairs]))
    assert [pair.p_holm for pair in pairs] == pytest.approx(expected.tolist())


def test_the_other_metrics_are_one_family_and_claim_nothing(tmp_path: Path) -> None:
    comparison = compare(load_runs(Sweep(path=tmp_path, seeds=range(4)).write()))
    others = {k: v for (_, k), v in comparison.pairs.items() if k != comparison.primary.key}
    assert RMSE in others and len(others) > 2
    counted = [pair for key, pairs in others.items() if key != "eval/probe_r2" for pair in pairs]
    assert not any(pair.decision or pair.separable for pair in counted)
    tested = np.array([1.0 if math.isnan(pair.p) else pair.p for pair in counted])
    corrected = zip(counted, holm(tested), strict=True)
    assert all(pair.p_holm == pytest.approx(p) for pair, p in corrected if not pair.note)


def test_a_difference_that_does_not_vary_has_no_test_and_stays_in_the_family(
    tmp_path: Path,
) -> None:
    """Were it left out, the data would choose how many pairs are corrected for."""
    scores = {
        "vicreg": {0: 0.50, 1: 0.25, 2: 0.75},
        "dino": {0: 1.50, 1: 1.25, 2: 1.75},
        "none": {0: 9.0, 1: 9.5, 2: 9.25},
    }
    write_scores(tmp_path, scores)
    comparison = compare(load_runs(tmp_path), metric="probe_rmse")
    flat = pair_of(comparison, "vicreg", "dino")
    assert flat.note == "the difference does not vary over seeds: no test"
    assert flat.interval is None
    assert math.isnan(flat.p) and math.isnan(flat.p_holm) and not flat.separable
    others = [pair_of(comparison, name, "none") for name in ("vicreg", "dino")]
    expected = holm(np.array([*(pair.p for pair in others), 1.0]))
    assert [pair.p_holm for pair in others] == pytest.approx(expected[:2].tolist())
    assert min(pair.p_holm / pair.p for pair in others) > 2
    assert comparison.best is None


def test_one_seed_has_no_interval_no_test_and_no_winner(tmp_path: Path) -> None:
    comparison = compare(load_runs(Sweep(path=tmp_path, seeds=[7]).write()))
    assert all(estimate.interval is None for estimate in comparison.estimates.values())
    assert all(pair.note for pairs in comparison.pairs.values() for pair in pairs)
    assert comparison.best is None
    assert comparison.conclusion[0] == (
        "One seed per row: no interval, no test and no row leads by detour success. More seeds"
        " (seed=0,1,2,3,4) would tell."
    )


def test_tasks_are_paired_too(tmp_path: Path) -> None:
    comparison = compare(load_runs(Sweep(path=tmp_path, seeds=range(3)).write()))
    pair = pair_of(comparison, "vicreg", "dino")
    runs = {(run.loss, run.seed): run.tasks["detour"].success for run in comparison.runs}
    only_a = sum(((runs[pair.a, s] > runs[pair.b, s]).sum()) for s in range(3))
    only_b = sum(((runs[pair.b, s] > runs[pair.a, s]).sum()) for s in range(3))
    assert pair.tasks == (only_a, only_b, 300)
    assert pair.mean == pytest.approx((only_a - only_b) / 300)
    assert pair_of(comparison, "vicreg", "dino", RMSE).tasks is None


def test_a_task_without_an_outcome_leaves_the_pair_and_not_the_seed(tmp_path: Path) -> None:
    for loss in (VICREG, DINO):
        for seed in range(2):
            path = write_run(tmp_path, loss=loss, seed=seed)
            file = path / layout.EVALUATIONS / "0a1b2c3d.json"
            content, summary = (
                json.loads(file.read_text()),
                json.loads((path / layout.SUMMARY).read_text()),
            )
            success = content["tasks"]["detour"]["success"]
            if loss is VICREG:
                success[:10] = [None] * 10
                rows = (path / layout.METRICS).read_text().splitlines()
                last = json.loads(rows[-1])
                for metrics in (summary["metrics"], content["metrics"], last):
                    metrics["eval/success_detour"] = float(np.mean(success[10:]))
                (path / layout.METRICS).write_text("\n".join([*rows[:-1], json.dumps(last), ""]))
            file.write_text(json.dumps(content))
            sign(path, summary)
    comparison = compare(load_runs(tmp_path))
    assert not comparison.left_out
    pair = pair_of(comparison, "vicreg", "dino")
    assert pair.tasks is not None and pair.tasks[2] == 180
    runs = {(run.loss, run.seed): run.tasks["detour"].success for run in comparison.runs}
    for seed in range(2):
        gap = np.mean(runs["vicreg", seed][10:] - runs["dino", seed][10:])
        direction = 1 if pair.a == "vicreg" else -1
        assert pair.differences[seed] == pytest.approx(direction * gap)


def test_another_evaluation_is_not_paired_by_task(tmp_path: Path) -> None:
    Sweep(path=tmp_path, seeds=range(2), losses={"vicreg": VICREG, "dino": DINO}).write()
    for path in tmp_path.glob("dino_s*"):
        (path / layout.EVALUATIONS / "0a1b2c3d.json").rename(
            path / layout.EVALUATIONS / "ffff.json"
        )
        summary = json.loads((path / layout.SUMMARY).read_text()) | {"evaluation": "ffff"}
        sign(path, summary)
    pair = pair_of(compare(load_runs(tmp_path)), "vicreg", "dino")
    assert pair.tasks is None
    assert len(pair.differences) == 2


def test_settings_that_both_average_over_are_matched(tmp_path: Path) -> None:
    """Without matching, the loss that lost its good runs would look worse by the setting alone."""
    for seed in range(3):
        for lr, base in ((1e-3, 1.0), (1e-2, 5.0)):
            swept = {"training.lr": lr}
            score = {"vicreg": base + 0.1 * seed, "dino": base + 0.5 + 0.13 * seed}
            failed = seed == 0 and lr == 1e-3
            write_run(
                tmp_path, loss=VICREG, seed=seed, overrides=swept, metrics={RMSE: score["vicreg"]},
                state="failed" if failed else "completed",
            )  # fmt: skip
            write_run(
                tmp_path, loss=DINO, seed=seed, overrides=swept, metrics={RMSE: score["dino"]}
            )
    comparison = compare(load_runs(tmp_path), metric="probe_rmse", by="aux_loss")
    pair = pair_of(comparison, "vicreg", "dino")
    sign = 1 if pair.a == "dino" else -1
    expected = {seed: sign * (0.5 + 0.03 * seed) for seed in range(3)}
    assert dict(pair.differences) == pytest.approx(expected)


def test_a_setting_that_only_one_loss_has_is_averaged(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path, loss=DINO, seed=seed, metrics={RMSE: 1.0})
        for value, score in ((1.0, 2.0 + seed), (25.0, 4.0)):
            swept = {"aux_loss.std_coeff": value}
            write_run(tmp_path, loss=VICREG, seed=seed, overrides=swept, metrics={RMSE: score})
    pair = pair_of(compare(load_runs(tmp_path), "probe_rmse", by="aux_loss"), "vicreg", "dino")
    assert [abs(gap) for gap in pair.differences.values()] == [2.0, 2.5]


def test_a_baseline_narrows_the_family(tmp_path: Path) -> None:
    runs = load_runs(Sweep(path=tmp_path, seeds=range(3)).write())
    comparison = compare(runs, metric="probe_rmse", baseline="dino")
    pairs = comparison.pairs["all", comparison.primary.key]
    assert {pair.b for pair in pairs} == {"dino"}
    assert len(pairs) == 4
    expected = holm(np.array([pair.p for pair in pairs]))
    assert [pair.p_holm for pair in pairs] == pytest.approx(expected.tolist())
    assert "tested rows are better than dino" in comparison.conclusion[0]


def test_shape_estimates_need_five_seeds(tmp_path: Path) -> None:
    path = Sweep(path=tmp_path, seeds=range(4)).write()
    few = compare(load_runs(path))
    assert all(estimate.iqm is None for estimate in few.estimates.values())
    assert all(pair.improvement is None for pairs in few.pairs.values() for pair in pairs)
    assert any("too few for an interquartile mean" in text for text in few.warnings)
    Sweep(path=path, seeds=range(4, 5)).write()
    enough = compare(load_runs(path), metric="probe_rmse")
    scores = list(enough.estimate("dino", RMSE).scores.values())
    assert enough.estimate("dino", RMSE).iqm == pytest.approx(scipy.stats.trim_mean(scores, 0.25))
    pair = pair_of(enough, "vicreg", "none")
    assert pair.improvement == (1.0 if pair.a == "vicreg" else 0.0)  # lower RMSE is better


def test_a_collapsed_run_counts_a_diverged_one_with_the_worst(tmp_path: Path) -> None:
    Sweep(path=tmp_path, seeds=range(3), losses={"vicreg": VICREG, "none": NONE}).write()
    write_run(tmp_path, loss=DINO, seed=0)
    write_run(tmp_path, loss=DINO, seed=1)
    write_run(tmp_path, loss=DINO, seed=2, status="diverged")
    comparison = compare(load_runs(tmp_path))
    every, healthy = (
        comparison.estimate("dino", "eval/success_detour", analysis_set)
        for analysis_set in ("all", "healthy")
    )
    assert every.scores[2] == 0.0
    assert sorted(healthy.scores) == [0, 1] and healthy.missing == 1
    worst = max(comparison.estimate("none", RMSE).scores.values())
    assert comparison.estimate("dino", RMSE).scores[2] == worst
    assert comparison.estimate("none", RMSE).n == 3
    assert comparison.estimate("none", RMSE, "healthy").n == 0
    pair = pair_of(comparison, "vicreg", "dino")
    assert pair.tasks is not None and pair.tasks[2] == 300
    assert any("1 diverged of 3 runs (a diverged run counts with" in w for w in comparison.warnings)


def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of 4 rows and 6 pairs, that grids may be small; the real ones are 40 and 780."""
    assert (pairing.MOST_ROWS, pairing.MOST_PAIRS) == (40, 780)
    monkeypatch.setattr(pairing, "MOST_ROWS", 4)
    monkeypatch.setattr(pairing, "MOST_PAIRS", 6)


def test_more_rows_than_can_be_corrected_for_need_a_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_rows(monkeypatch)
    for value in range(6):
        for seed in range(2):
            write_run(
                tmp_path, loss=VICREG, seed=seed, overrides={"training.lr": value + 0.5},
                rows=2, tasks=4, state="failed" if value == 0 else "completed",
            )  # fmt: skip
    comparison = compare(load_runs(tmp_path))
    assert not comparison.pairs["all", comparison.primary.key]
    assert comparison.conclusion[0].startswith("5 rows are too many to test every pair")
    named = compare(load_runs(tmp_path), baseline="vicreg · lr=1.5")
    assert len(named.pairs["all", named.primary.key]) == 4


def test_a_large_grid_is_tested_within_its_combinations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_rows(monkeypatch)
    for value in range(3):
        for seed in range(3):
            for loss in (VICREG, DINO):
                swept = {"training.lr": value + 0.5}
                write_run(tmp_path, loss=loss, seed=seed, overrides=swept, rows=2, tasks=8)
    comparison = compare(load_runs(tmp_path), metric="probe_rmse")
    pairs = comparison.pairs["all", comparison.primary.key]
    assert len(comparison.rows) == 6 and len(pairs) == 3
    assert all(pair.a.partition(" · ")[2] == pair.b.partition(" · ")[2] for pair in pairs)
    expected = holm(np.array([np.nan_to_num(pair.p, nan=1.0) for pair in pairs]))
    assert [p.p_holm for p in pairs if not p.note] == pytest.approx(
        [value for value, pair in zip(expected, pairs, strict=True) if not pair.note]
    )
    assert "losses are tested where all other settings agree" in comparison.conclusion[0]
    tables = combinations(comparison)
    assert len(tables) == 3
    for pair in pairs:
        (table,) = [t for t in tables if t.title == pair.a.partition(" · ")[2]]
        assert (pair.a in table.conclusion or pair.b in table.conclusion) != bool(pair.note)


def test_rows_without_a_score_do_not_crowd_out_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_rows(monkeypatch)
    losses = {"vicreg": VICREG, "dino": DINO, "none": NONE}
    Sweep(path=tmp_path, seeds=range(2), losses=losses).write()
    for value in range(4):
        write_run(tmp_path, loss=VICREG, seed=0, overrides={"training.lr": value}, state="failed")
    comparison = compare(load_runs(tmp_path))
    assert len(comparison.rows) == 7
    assert len(comparison.pairs["all", comparison.primary.key]) == 3
