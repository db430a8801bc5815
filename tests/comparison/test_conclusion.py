"""The sentences: who won, by how much, and when nobody can tell."""

from dataclasses import replace
from pathlib import Path

import pytest

from jepa_compare.comparison import Comparison, compare, load_runs
from jepa_compare.comparison.conclusion import p_text
from jepa_compare.report.tables import pair_table
from tests.support.scored import RMSE, pair_of, write_scores
from tests.support.synthetic import DEFAULT_LOSSES, write_run

VICREG, DINO, NONE = (DEFAULT_LOSSES[name] for name in ("vicreg", "dino", "none"))
SUCCESS = "eval/success_detour"


def scored(path: Path, scores: dict[str, list[float]], metric: str = SUCCESS) -> Comparison:
    write_scores(path, {name: dict(enumerate(values)) for name, values in scores.items()}, metric)
    return compare(load_runs(path), metric=metric)


def test_a_winner_is_named_with_difference_interval_seeds_and_p(tmp_path: Path) -> None:
    comparison = scored(
        tmp_path,
        {
            "vicreg": [0.90, 0.91, 0.92, 0.93],
            "dino": [0.40, 0.42, 0.41, 0.43],
            "none": [0, 0.02, 0, 0],
        },
    )
    assert comparison.best == "vicreg"
    # vicreg - dino: .50 .49 .51 .50, sd .0081650, t = 122.47, df 3, p = 1.2e-6, times 1 or 3
    assert pair_of(comparison, "vicreg", "dino").sentence == (
        "vicreg over dino: +0.50 [0.49, 0.51] detour success, 4 seeds, p < .001"
    )
    assert comparison.conclusion[0] == (
        "vicreg leads by detour success with 4 seeds; it beats dino by at least 0.48 and none by at"
        " least 0.86."
    )


def test_lower_is_better_for_an_error_and_the_unit_is_shown(tmp_path: Path) -> None:
    comparison = scored(
        tmp_path, {"vicreg": [0.30, 0.31, 0.29, 0.3], "dino": [0.5, 0.52, 0.48, 0.51]}, RMSE
    )
    assert comparison.best == "vicreg"
    assert comparison.rows[0].label == "vicreg"
    assert pair_of(comparison, "vicreg", "dino").sentence == (
        "vicreg over dino: -0.20 px [-0.22, -0.19] probe RMSE, 4 seeds, p < .001"
    )


def test_not_separable_says_what_could_have_been_seen(tmp_path: Path) -> None:
    comparison = scored(tmp_path, {"vicreg": [0.9, 0.7, 0.8], "dino": [0.7, 0.8, 0.6]})
    assert comparison.best is None
    pair = pair_of(comparison, "vicreg", "dino")
    # differences .2 -.1 .2: mean .1, sd .1732, t = 1, p = .4226, half width 4.3027 · .1 = .43
    assert pair.sentence == (
        "vicreg and dino: not separable by detour success with 3 seeds (+0.10 [-0.33, 0.53],"
        f" p = .42; a difference of {pair.detectable:.2f} could have been detected; about 23 seeds"
        " would decide)"
    )
    assert comparison.conclusion[0] == (
        "No row leads by detour success: vicreg, dino are not separable from each other with 3"
        " seeds."
    )
    assert comparison.conclusion[1] == (
        f"With 3 seeds a difference of {pair.detectable:.2f} could have been detected (power .8)."
    )


def test_two_seeds_may_detect_no_difference_between_rates_at_all(tmp_path: Path) -> None:
    comparison = scored(tmp_path, {"vicreg": [0.75, 0.25], "dino": [0.25, 0.5]})
    assert pair_of(comparison, "vicreg", "dino").detectable > 1
    assert (
        "; even a difference of 1 could have been missed; about"
        in pair_of(comparison, "vicreg", "dino").sentence
    )
    assert comparison.conclusion[1] == (
        "With 2 seeds even a difference of 1 could have been missed (power .8)."
    )
    (line,) = pair_table(comparison.pairs["all", SUCCESS], comparison.primary).lines
    assert line[7] == "none"
    errors = compare(load_runs(tmp_path), metric="probe_rmse")  # an error has no such bound
    assert "missed" not in errors.conclusion[1]


def test_a_row_that_never_finished_takes_no_win_away(tmp_path: Path) -> None:
    for seed in range(4):
        write_run(tmp_path, loss=NONE, seed=seed, state="failed")
    comparison = scored(
        tmp_path, {"vicreg": [0.9, 0.91, 0.92, 0.93], "dino": [0.4, 0.42, 0.41, 0.43]}
    )
    assert comparison.best == "vicreg"
    assert comparison.conclusion[0] == (
        "vicreg leads by detour success with 4 seeds; it beats dino by at least 0.48 (none: 4"
        " failed of 4 runs)."
    )
    assert any(text.startswith("none: 4 failed of 4 runs") for text in comparison.warnings)


def test_a_row_with_one_seed_cannot_be_beaten(tmp_path: Path) -> None:
    write_scores(tmp_path, {"none": {0: 0.01}}, SUCCESS)
    comparison = scored(
        tmp_path, {"vicreg": [0.9, 0.91, 0.92, 0.93], "dino": [0.4, 0.42, 0.41, 0.43]}
    )
    assert comparison.best is None
    assert comparison.conclusion[0].endswith("it beats dino by at least 0.48; none: not ranked.")
    assert pair_of(comparison, "vicreg", "none").note == "one seed in common: no test"


def test_no_variance_is_no_conclusion(tmp_path: Path) -> None:
    comparison = scored(tmp_path, {"vicreg": [1.0, 1.0, 1.0], "dino": [0.0, 0.0, 0.0]})
    assert comparison.best is None
    estimate = comparison.estimate("vicreg", SUCCESS)
    assert (estimate.interval, estimate.note) == (None, "no variance: no interval")
    assert pair_of(comparison, "vicreg", "dino").sentence == (
        "vicreg and dino: no conclusion on detour success, the difference does not vary over seeds:"
        " no"
        " test (+1.00)"
    )
    assert comparison.conclusion[0] == (
        "No pair of rows can be tested by detour success: the difference does not vary over seeds:"
        " no test."
    )


def test_a_run_that_learned_nothing_counts_and_is_warned_about(tmp_path: Path) -> None:
    for seed in range(3):
        write_run(tmp_path, loss=VICREG, seed=seed)
        write_run(tmp_path, loss=replace(DINO, status="no_better_than_untrained"), seed=seed)
    comparison = compare(load_runs(tmp_path))
    assert comparison.answer.beaten[0].row == "dino"
    assert any(
        "dino: 3 no better than untrained of 3 runs." in text for text in comparison.warnings
    )


def test_seeds_are_those_of_the_pair_and_small_wins_say_so(tmp_path: Path) -> None:
    comparison = scored(
        tmp_path,
        {"vicreg": [0.90, 0.91, 0.92, 0.93], "dino": [0.40, 0.42, 0.41], "none": [0, 0.02, 0, 0]},
    )
    assert comparison.conclusion[0].startswith("vicreg leads by detour success; it beats")
    assert "(3 seeds)" in comparison.conclusion[0] and "(4 seeds)" in comparison.conclusion[0]


def test_better_by_less_than_the_smallest_effect(tmp_path: Path) -> None:
    comparison = scored(
        tmp_path, {"vicreg": [0.90, 0.91, 0.92, 0.93], "dino": [0.88, 0.88, 0.90, 0.90]}
    )
    assert "vicreg over dino, by less than 0.10: " in pair_of(comparison, "vicreg", "dino").sentence
    assert comparison.conclusion[0].endswith("it beats dino by less than 0.10.")


def test_of_a_top_group_only_the_equal_pairs_are_called_equal(tmp_path: Path) -> None:
    comparison = scored(
        tmp_path,
        {
            "vicreg": [0.90, 0.91, 0.90, 0.91, 0.90],
            "dino": [0.91, 0.90, 0.91, 0.90, 0.90],
            "sigreg": [0.95, 0.55, 1.0, 0.6, 0.99],
            "none": [0, 0.01, 0.02, 0, 0],
        },
    )
    assert {*comparison.answer.top} == {"vicreg", "dino", "sigreg"}
    assert {frozenset(pair) for pair in comparison.answer.equal} == {frozenset(("vicreg", "dino"))}
    assert (
        "not separable from each other, except that dino and vicreg are equal within 0.10"
        in comparison.conclusion[0]
    )


def test_a_diagnostic_ranks_nothing(tmp_path: Path) -> None:
    for seed in range(3):
        write_run(tmp_path, loss=VICREG, seed=seed)
        write_run(tmp_path, loss=DINO, seed=seed)
    comparison = compare(load_runs(tmp_path), metric="rankme")
    assert comparison.conclusion[0] == "RankMe is a diagnostic: it ranks nothing."
    assert comparison.best is None
    assert "neither direction is better" in pair_of(comparison, "vicreg", "dino").sentence
    relative = compare(load_runs(tmp_path), metric="rollout_relative_8")
    assert relative.best is None and "ranks nothing" in relative.conclusion[0]


def test_nothing_finished(tmp_path: Path) -> None:
    write_run(tmp_path, loss=VICREG, seed=0, state="failed")
    comparison = compare(load_runs(tmp_path))
    assert comparison.conclusion[0] == (
        "No run has a score for detour success (vicreg: 1 failed of 1 run)."
    )
    assert comparison.rows[0].counts == {"failed": 1}


def test_a_skewed_metric_is_warned_about(tmp_path: Path) -> None:
    skewed = {seed: 0.3 + 4.0 * (seed == 0) + 0.01 * seed for seed in range(10)}
    write_scores(tmp_path, {"vicreg": skewed, "dino": dict(enumerate([0.5, 0.6, 0.4, 0.55, 0.45]))})
    comparison = compare(load_runs(tmp_path), metric="probe_rmse")
    assert RMSE in comparison.skewed
    (warning,) = [text for text in comparison.warnings if text.startswith("Skewed over seeds: ")]
    assert "probe RMSE" in warning


def test_rates_near_the_ends_and_few_tasks_are_warned_about(tmp_path: Path) -> None:
    for seed in range(3):
        write_run(tmp_path, loss=replace(VICREG, success={"detour": 0.96}), seed=seed, tasks=20)
    comparison = compare(load_runs(tmp_path))
    assert any("Success rates rest on 20 tasks per run" in text for text in comparison.warnings)
    near = comparison.estimate("vicreg", SUCCESS)
    close = near.interval is not None and near.mean > 0.95
    assert any("close to 0 or 1" in text for text in comparison.warnings) == close


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0, "p < .001"), (0.00099, "p < .001"), (0.002, "p = .002"),
     (0.0499, "p = .0499"), (0.0496, "p = .0496"), (0.05, "p = .050"),
     (0.12, "p = .12"), (1.0, "p = 1.00")],
)  # fmt: skip
def test_p_has_no_leading_zero(p: float, text: str) -> None:
    assert p_text(p) == text
