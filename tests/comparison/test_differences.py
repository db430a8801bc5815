"""What a sweep varied on purpose, what differs unswept, and the rows that follow."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jepa_compare.comparison import Comparison, compare, load_runs
from jepa_compare.report.latex import latex
from jepa_compare.report.markdown import markdown
from jepa_compare.report.terminal import plain_text
from jepa_compare.runs.identity import HARMLESS
from jepa_compare.runs.records import Commit
from jepa_compare.system.provenance import provenance
from tests.support.synthetic import DEFAULT_LOSSES, HARDWARE, Sweep, write_run

VICREG, DINO = DEFAULT_LOSSES["vicreg"], DEFAULT_LOSSES["dino"]


def compared(path: Path, **options) -> Comparison:
    return compare(load_runs(path), **options)


def labels(comparison: Comparison) -> list[str]:
    return sorted(row.label for row in comparison.rows)


def with_test(comparison: Comparison) -> set[frozenset[str]]:
    pairs = comparison.pairs["all", comparison.primary.key]
    return {frozenset((pair.a, pair.b)) for pair in pairs if not pair.note}


def test_a_plain_sweep_has_one_axis_and_nothing_unswept(tmp_path: Path) -> None:
    comparison = compared(Sweep(path=tmp_path, seeds=range(3)).write())
    assert comparison.axes == ("aux_loss",)
    assert comparison.unswept == ()
    assert labels(comparison) == sorted(DEFAULT_LOSSES)
    assert len(with_test(comparison)) == 10


def test_the_axes_of_a_grid_make_a_row_and_a_table_per_combination(tmp_path: Path) -> None:
    for seed in range(3):
        for loss in (VICREG, DINO):
            for target in ("shared", "ema"):
                for coefficient in (0.1, 1.0):
                    swept = {"aux_loss.target": target, "aux_loss.weight": coefficient}
                    write_run(tmp_path, loss=loss, seed=seed, overrides=swept)
    comparison = compared(tmp_path)
    assert comparison.axes == ("aux_loss", "aux_loss.target", "aux_loss.weight")
    assert comparison.unswept == ()
    assert len(comparison.rows) == 8
    assert "dino · target=ema · weight=0.1" in labels(comparison)
    pairs = comparison.pairs["all", comparison.primary.key]
    assert len(pairs) == 28 and not any(pair.confounded for pair in pairs)
    (row,) = [row for row in comparison.rows if row.label == "vicreg · target=shared · weight=1"]
    assert dict(row.axes) == {
        "aux_loss": "vicreg",
        "aux_loss.target": "shared",
        "aux_loss.weight": 1.0,
    }
    assert row.seeds == (0, 1, 2)


def test_a_setting_that_one_loss_has_is_named_only_there(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path, loss=DINO, seed=seed)
        for value in (1.0, 25.0):
            write_run(tmp_path, loss=VICREG, seed=seed, overrides={"aux_loss.std_coeff": value})
    comparison = compared(tmp_path)
    assert labels(comparison) == ["dino", "vicreg · std_coeff=1", "vicreg · std_coeff=25"]


def test_an_edit_during_the_sweep_is_named_and_never_averaged(tmp_path: Path) -> None:
    Sweep(path=tmp_path, seeds=range(2)).write()
    for seed in (2, 3):
        for loss in DEFAULT_LOSSES.values():
            write_run(tmp_path, loss=loss, seed=seed, changes={"training.batch_size": 64})
    comparison = compared(tmp_path)
    (unswept,) = comparison.unswept
    assert (unswept.key, dict(unswept.values), unswept.apart) == (
        "training.batch_size",
        {"32": 10, "64": 10},
        True,
    )
    assert comparison.warnings[0] == (
        "training.batch_size differs between runs and was not swept: 32 (10), 64 (10);"
        " rows are kept apart, and pairs that differ in it are not tested."
    )
    assert all(
        len({run.config["training.batch_size"] for run in r.runs}) == 1 for r in comparison.rows
    )
    assert "vicreg [batch_size=64]" in labels(comparison)
    crossed = [pair for pair in comparison.pairs["all", comparison.primary.key] if pair.confounded]
    assert len(crossed) == 25
    assert all(pair.p != pair.p and not pair.separable for pair in crossed)
    assert len(with_test(comparison)) > 10


@pytest.mark.parametrize(
    ("setting", "unless", "key"),
    [
        ({"training.on_collapse": "stop"}, "warn", "evaluation.interval"),
        ({"training.on_collapse": "stop"}, "warn", "evaluation.collapse_interval"),
        ({"training.compile": "default"}, "off", "training.gradient_interval"),
    ],
)
def test_an_interval_counts_only_where_training_depends_on_it(
    tmp_path: Path, setting: dict[str, str], unless: str, key: str
) -> None:
    for folder, common in (("dependent", setting), ("free", dict.fromkeys(setting, unless))):
        for seed in range(2):
            changes = {**common, key: 10 * (seed + 1)}
            write_run(tmp_path / folder, loss=VICREG, seed=seed, changes=changes)
    assert [unswept.key for unswept in compared(tmp_path / "dependent").unswept] == [key]
    assert len(compared(tmp_path / "dependent").rows) == 2
    free = compared(tmp_path / "free")
    assert free.unswept == () and len(free.rows) == 1


def test_an_edit_of_one_loss_leaves_its_comparison_with_others(tmp_path: Path) -> None:
    for seed in range(3):
        write_run(tmp_path, loss=DINO, seed=seed)
        write_run(tmp_path, loss=VICREG, seed=seed)
        write_run(tmp_path, loss=VICREG, seed=seed, changes={"aux_loss.std_coeff": 25.0})
    comparison = compared(tmp_path)
    old, new = "vicreg [std_coeff=1]", "vicreg [std_coeff=25]"
    assert labels(comparison) == ["dino", old, new]
    assert with_test(comparison) == {frozenset(("dino", old)), frozenset(("dino", new))}


@pytest.mark.parametrize(
    ("provenance", "key"),
    [
        (
            {"versions": {"jepa_compare": "0.1.0", "python": "3.11.7", "torch": "2.14.0"}},
            "versions.torch",
        ),
        ({"git": Commit(commit="bbbbbbb", dirty=False)}, "git.commit"),
        ({"hardware": replace(HARDWARE, device="cuda")}, "hardware.device"),
        (
            {"environment": {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}},
            "environment.CUBLAS_WORKSPACE_CONFIG",
        ),
    ],
)
def test_other_versions_and_hardware_are_unswept(tmp_path: Path, provenance, key: str) -> None:
    write_run(tmp_path, loss=VICREG, seed=0)
    write_run(tmp_path, loss=VICREG, seed=1, provenance=provenance)
    comparison = compared(tmp_path)
    assert [unswept.key for unswept in comparison.unswept] == [key]
    assert len(comparison.rows) == 2
    assert any(warning.startswith(f"{key} differs") for warning in comparison.warnings)


def test_a_harmless_difference_is_named_and_averaged_over(tmp_path: Path) -> None:
    write_run(tmp_path, loss=VICREG, seed=0)
    git = {"git": Commit(commit="291c07a", dirty=True)}
    write_run(tmp_path, loss=VICREG, seed=1, provenance=git, changes={"tracking.mode": "offline"})
    comparison = compared(tmp_path)
    assert [(unswept.key, unswept.apart) for unswept in comparison.unswept] == [
        ("git.dirty", False)
    ]
    assert len(comparison.rows) == 1
    assert "rows are averaged over it" in comparison.warnings[0]


def test_a_failed_run_joins_the_row_that_it_belongs_to(tmp_path: Path) -> None:
    """It has recorded no versions, which is no other version."""
    Sweep(path=tmp_path, seeds=range(3)).write()
    write_run(tmp_path, loss=VICREG, seed=3, state="failed")
    comparison = compared(tmp_path)
    assert len(comparison.rows) == 5
    (row,) = [row for row in comparison.rows if row.label == "vicreg"]
    assert dict(row.counts) == {"healthy": 3, "failed": 1}


def test_a_preset_is_an_axis_only_where_it_explains_something(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path / "same", loss=VICREG, seed=seed, choices={"experiment": "main"})
        write_run(tmp_path / "same", loss=VICREG, seed=seed + 2, choices={"experiment": "null"})
        for preset, lr in (("slow", 1e-4), ("fast", 1e-2)):
            write_run(
                tmp_path / "other",
                loss=VICREG,
                seed=seed,
                choices={"experiment": preset},
                changes={"training.lr": lr, "data.size": 32 if lr < 1e-3 else 64},
            )
    assert labels(compared(tmp_path / "same")) == ["vicreg"]
    other = compared(tmp_path / "other")
    assert other.axes == ("experiment",)
    assert other.unswept == ()
    assert labels(other) == ["vicreg · experiment=fast", "vicreg · experiment=slow"]


def test_equal_settings_are_one_row_whatever_they_were_chosen_by(tmp_path: Path) -> None:
    """A third preset makes the preset an axis; it must not part runs that are alike."""
    for folder, preset, lr, seeds in (
        ("a", "plain", 1e-3, (0, 1)),
        ("b", "null", 1e-3, (2, 3)),
        ("c", "copy", 1e-3, (4,)),
        ("d", "slow", 1e-4, (0, 1)),
    ):
        for seed in seeds:
            options = {"choices": {"experiment": preset}, "changes": {"training.lr": lr}}
            for loss in (VICREG, DINO):
                write_run(tmp_path / folder, loss=loss, seed=seed, **options)
    options = {"choices": {"experiment": "null"}, "changes": {"training.lr": 1e-3}}
    write_run(tmp_path / "b", loss=VICREG, seed=9, state="failed", **options)
    comparison = compared(tmp_path)
    rows = {row.label: row for row in comparison.rows}
    assert list(sorted(rows)) == [
        "dino · experiment=copy/plain",
        "dino · experiment=slow",
        "vicreg · experiment=copy/plain",
        "vicreg · experiment=slow",
    ]
    assert rows["vicreg · experiment=copy/plain"].seeds == (0, 1, 2, 3, 4, 9)
    assert rows["vicreg · experiment=slow"].seeds == (0, 1)
    asked = compared(tmp_path, by=["aux_loss", "experiment"])
    assert "vicreg · experiment=null" in labels(asked)  # where it was asked for


def test_rows_of_one_loss_name_it_and_what_all_runs_share_is_said_once(tmp_path: Path) -> None:
    for seed in range(2):
        for lr in (0.1, 0.01):
            swept = {"training.lr": lr, "training.batch_size": 64}
            write_run(tmp_path, loss=VICREG, seed=seed, overrides=swept)
    comparison = compared(tmp_path)
    assert labels(comparison) == ["vicreg · lr=0.01", "vicreg · lr=0.1"]
    assert comparison.shared == ("training.batch_size=64",)
    text = plain_text(comparison)
    assert text.count("training.batch_size") == 1
    assert "\nThe same in all runs: training.batch_size=64.\n\n" in text


def test_names_of_unrelated_sweeps_are_short(tmp_path: Path) -> None:
    """Each sweep says its own setting; the usual ones are said above, long ones below the table."""
    usual = {"training.lr": 1e-3, "training.weight_decay": 0.01, "training.batch_size": 32}
    for seed in range(2):
        for loss in (VICREG, DINO):
            write_run(tmp_path / "a", loss=loss, seed=seed, overrides=usual)
        for lr in (1e-2, 1e-4):
            swept = usual | {"training.lr": lr}
            write_run(tmp_path / "b", loss=VICREG, seed=seed, overrides=swept)
        other = {"training.lr": 0.5, "training.weight_decay": 0.125, "training.batch_size": 1024}
        write_run(tmp_path / "c", loss=DINO, seed=seed, overrides=other)
    comparison = compared(tmp_path)
    assert labels(comparison) == [
        "dino",
        "dino #1",
        "vicreg",
        "vicreg · lr=0.0001",
        "vicreg · lr=0.01",
    ]
    text = plain_text(comparison)
    assert (
        "\nWhere a row's name does not say it: batch_size=32, lr=0.001, weight_decay=0.01.\n"
        in text
    )
    assert "\ndino #1: batch_size=1024, lr=0.5, weight_decay=0.125\n" in text
    for written in (markdown(comparison), latex(comparison)):
        assert "1024" in written and "Where a row's name" in written
    long = replace(VICREG, name="l" * 60)
    for seed in range(2):
        write_run(tmp_path / "d", loss=long, seed=seed, overrides=usual)
    assert "l" * 60 in labels(compared(tmp_path))  # a loss has the name that it has


def test_a_group_explains_its_own_settings(tmp_path: Path) -> None:
    for seed in range(2):
        for world, size in (("two_rooms", 32), ("maze", 64)):
            write_run(
                tmp_path,
                loss=VICREG,
                seed=seed,
                choices={"data": world},
                changes={"data.size": size, "data.name": world, "evaluation.size": size},
            )
    comparison = compared(tmp_path)
    assert comparison.axes == ("data",)
    assert [unswept.key for unswept in comparison.unswept] == [
        "evaluation.size"
    ]  # nobody asked for it


def test_two_recipes_are_losses_of_their_own(tmp_path: Path) -> None:
    context = replace(VICREG, name="vicreg_context", arguments={"std_coeff": 16.0})
    for seed in range(3):
        write_run(tmp_path, loss=VICREG, seed=seed)
        write_run(tmp_path, loss=context, seed=seed)
    comparison = compared(tmp_path)
    assert comparison.axes == ("aux_loss",)
    assert comparison.unswept == ()
    assert with_test(comparison) == {frozenset(("vicreg", "vicreg_context"))}


def test_another_spelling_of_a_loss_is_the_same_row(tmp_path: Path) -> None:
    barlow = DEFAULT_LOSSES["barlow_twins"]
    for seed, spelling in enumerate(("barlow", "barlow_twins")):
        write_run(tmp_path, loss=barlow, seed=seed, choices={"aux_loss": spelling})
    comparison = compared(tmp_path)
    assert comparison.axes == comparison.unswept == ()
    assert labels(comparison) == ["barlow_twins"]


def test_by_averages_over_the_rest_and_says_so(tmp_path: Path) -> None:
    for seed in range(3):
        for loss in (VICREG, DINO):
            for lr in (1e-3, 1e-2):
                write_run(tmp_path, loss=loss, seed=seed, overrides={"training.lr": lr})
    comparison = compared(tmp_path, by="aux_loss")
    assert labels(comparison) == ["dino", "vicreg"]
    assert comparison.rows[0].averaged == ("training.lr",)
    assert any("several runs of one seed are averaged" in text for text in comparison.warnings)
    for row in comparison.rows:
        estimate = comparison.estimate(row, comparison.primary)
        for seed, score in estimate.scores.items():
            scores = [r.metrics[comparison.primary.key] for r in row.runs if r.seed == seed]
            assert len(scores) == 2
            assert score == pytest.approx(sum(scores) / 2)
    assert labels(compared(tmp_path, by=["training.lr"])) == ["lr=0.001", "lr=0.01"]
    assert labels(compared(tmp_path, by=["lr", "aux_loss.name"]))[0] == "dino · lr=0.001"


def test_by_averages_over_an_unswept_setting_as_asked(tmp_path: Path) -> None:
    for seed in range(4):
        write_run(tmp_path, loss=VICREG, seed=seed, changes={"training.batch_size": 32 + seed % 2})
    comparison = compared(tmp_path, by="aux_loss")
    assert labels(comparison) == ["vicreg"]
    assert "rows are averaged over it, as asked" in comparison.warnings[0]
    comparison = compared(tmp_path, by="training.batch_size")
    assert labels(comparison) == ["vicreg · batch_size=32", "vicreg · batch_size=33"]
    assert "rows are made by it, as asked" in comparison.warnings[0]


def test_a_name_that_does_not_occur_is_an_error_in_one_line(tmp_path: Path) -> None:
    Sweep(path=tmp_path, seeds=range(1)).write()
    with pytest.raises(
        ValueError,
        match=r"^by=traning\.lr: no run has such a setting \(did you mean 'training\.lr'\?\)$",
    ):
        compared(tmp_path, by="traning.lr")
    with pytest.raises(ValueError, match=r"^by=name: ambiguous, one of aux_loss\.name, data\.name"):
        compared(tmp_path, by="name")
    with pytest.raises(
        ValueError, match=r"^metric=probe: no run has it; known here: success_detour,"
    ):
        compared(tmp_path, metric="probe")
    with pytest.raises(ValueError, match=r"^baseline=vic: no such row; rows here: vicreg, "):
        compared(tmp_path, baseline="vic")


def test_what_is_harmless_is_something_that_a_run_records() -> None:
    recorded = provenance(torch.device("cpu"))
    for key in HARMLESS:
        part, _, name = key.partition(".")
        assert name in (recorded[part] or {"dirty"}), key  # no git in a copy without one
