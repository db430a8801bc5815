"""The answer before and after it is worded: who leads, what is beaten, who never leads."""

from pathlib import Path

from jepa_compare.comparison import compare, load_runs
from jepa_compare.report.tables import result_text
from tests.support.scored import write_scores
from tests.support.synthetic import DEFAULT_LOSSES, write_run

SUCCESS = "eval/success_detour"


def test_a_diverged_loss_never_ranks_above_a_collapsed_one(tmp_path: Path) -> None:
    write_scores(tmp_path, {"none": {0: 0.0, 1: 0.01, 2: 0.0}}, SUCCESS)
    for seed in range(3):
        write_run(tmp_path, loss=DEFAULT_LOSSES["dino"], seed=seed, status="diverged")
    for metric in (SUCCESS, "probe_rmse"):
        comparison = compare(load_runs(tmp_path), metric=metric)
        assert [row.label for row in comparison.rows] == ["none", "dino"]
        assert "dino" in comparison.answer.unranked and "dino" not in comparison.answer.top
        assert "dino: 3 diverged of 3 runs" in comparison.conclusion[0]


def test_a_row_with_one_seed_never_leads(tmp_path: Path) -> None:
    scores = {
        "vicreg": {0: 0.99},
        "dino": {0: 0.4, 1: 0.42, 2: 0.41},
        "none": {0: 0.0, 1: 0.01, 2: 0.02},
    }
    comparison = compare(load_runs(write_scores(tmp_path, scores, SUCCESS)))
    assert comparison.answer.top == ("dino",) and comparison.answer.unranked == ("vicreg",)
    assert "vicreg: not ranked" in comparison.conclusion[0]


def test_of_equal_means_the_row_that_diverged_comes_last(tmp_path: Path) -> None:
    """By label alone barlow_twins would stand above none."""
    write_scores(tmp_path, {"none": {0: 0.0, 1: 0.0, 2: 0.0}}, SUCCESS)
    for seed in range(3):
        write_run(tmp_path, loss=DEFAULT_LOSSES["barlow_twins"], seed=seed, status="diverged")
    comparison = compare(load_runs(tmp_path))
    assert comparison.estimate("barlow_twins", SUCCESS).mean == 0.0
    assert [row.label for row in comparison.rows] == ["none", "barlow_twins"]


def test_runs_that_disagree_on_the_smallest_effect_are_warned_of(tmp_path: Path) -> None:
    """The setting is the run's even where the file of its evaluation does not hold it."""
    key = "evaluation.smallest_effect.success_detour"
    for seed in range(3):
        for loss, effect in (("vicreg", 0.2), ("dino", 0.05)):
            write_run(tmp_path, loss=DEFAULT_LOSSES[loss], seed=seed, changes={key: effect})
    comparison = compare(load_runs(tmp_path))
    assert comparison.smallest_effect == 0.05
    assert not comparison.unswept  # it changes no number
    (warning,) = [text for text in comparison.warnings if "smallest effect" in text]
    assert "detour success: 0.05, 0.2." in warning


def test_what_pairing_bought_is_said(tmp_path: Path) -> None:
    scores = {"vicreg": {0: 0.5, 1: 0.6, 2: 0.7}, "dino": {0: 0.1, 1: 0.2, 2: 0.31}}
    comparison = compare(load_runs(write_scores(tmp_path, scores, SUCCESS)))
    # var .01 and .01103, cov .0105: 2 * .0105 / .02103 = .9985
    assert abs(comparison.correlation - 0.9984) < 2e-4
    assert comparison.conclusion[-1] == (
        "Scores of rows correlate over seeds by 1.00: pairing multiplied the variance of a"
        " difference by 0.00."
    )


def test_a_difference_that_is_printed_as_0_makes_no_winner(tmp_path: Path) -> None:
    """Certain, of .001 in a rate of two digits: no claim without a margin, equal with one."""
    scores = {"vicreg": [0.501, 0.6011, 0.7009, 0.801], "dino": [0.5, 0.6, 0.7, 0.8]}
    changes = {"evaluation.smallest_effect": {}}
    for name, values in scores.items():
        for seed, value in enumerate(values):
            found = {"eval/success_detour": value}
            write_run(
                tmp_path, loss=DEFAULT_LOSSES[name], seed=seed, metrics=found, changes=changes
            )
    runs = load_runs(tmp_path)
    comparison = compare(runs, metric="success_detour")
    assert comparison.smallest_effect is None  # the empty mapping: nothing is ever called equal
    (pair,) = comparison.primary_pairs
    assert pair.p_holm < 0.001 and not pair.separable
    assert pair.sentence == (
        "vicreg and dino: a difference that the tables print as 0 by detour success, 4 seeds"
        " (+0.001 [0.001, 0.001], p < .001)"
    )
    assert comparison.conclusion[0].startswith("No row leads")
    assert result_text(pair, comparison.primary) == "differ by what is printed as 0"
    (pair,) = compare(runs, metric="success_detour", effect=0.1).primary_pairs
    assert pair.decision is not None and pair.decision.answer == "equal"
