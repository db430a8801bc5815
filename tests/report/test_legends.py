"""What stands over, under and beside the numbers of the main table, in every format."""

import csv
import io
import re
from pathlib import Path

import pytest

from jepa_compare.comparison import Comparison, compare, load_runs
from jepa_compare.report import latex, markdown
from jepa_compare.report.json_csv import comparison_record, csv_text, runs_record
from jepa_compare.report.terminal import plain_text, rich_text
from tests.support.synthetic import DEFAULT_LOSSES, Sweep, write_run


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    losses = {name: DEFAULT_LOSSES[name] for name in ("vicreg", "dino")}
    return compare(load_runs(Sweep(path=tmp_path_factory.mktemp("sweep"), losses=losses).write()))


def test_columns_that_claim_nothing_stand_under_that_word(comparison: Comparison) -> None:
    titles = {"primary": ["detour"], "exploratory": ["door", "same", "probe", "8-step", "probe"]}
    titles["diagnostic"] = ["spread", "RankMe"]
    lines = plain_text(comparison).splitlines()
    at = next(i for i, line in enumerate(lines) if "exploratory" in line)
    over, header = lines[at], lines[at + 1]
    starts = [over.index(title) for title in titles]
    for start, end, columns in zip(
        starts, [*starts[1:], len(over) + 3], titles.values(), strict=True
    ):
        cells = re.split(r"  +", header[start : end - 1].strip())
        assert [cell.split()[0] for cell in cells] == columns
    drawn = re.sub(r"\x1b\[\d*m", "", rich_text(comparison, 220, colour=False))
    assert list(titles) in [line.split() for line in drawn.splitlines()]


def test_what_an_interval_leaves_out_is_in_every_text(comparison: Comparison) -> None:
    widening = comparison.task_widening
    assert widening is not None and widening.tasks == 100
    sentence = f"they would be wider, a row's {widening.row:.2f} times"
    for text in (plain_text(comparison), markdown.markdown(comparison), latex.latex(comparison)):
        assert sentence in text
    assert comparison_record(comparison)["task_widening"]["difference"] == widening.difference


def test_a_low_rank_stands_beside_the_status(tmp_path: Path) -> None:
    for seed in range(3):
        notes = {"notes": ["low_rank"] if seed else []}
        write_run(tmp_path, loss=DEFAULT_LOSSES["vicreg"], seed=seed, provenance=notes)
    comparison = compare(load_runs(tmp_path))
    for text in (plain_text(comparison), markdown.markdown(comparison), latex.latex(comparison)):
        assert "3 healthy (2 low rank)" in text and "Low rank: " in text
    (row,) = comparison_record(comparison)["rows"]
    assert row["notes"] == {"low_rank": 2}
    assert [run["notes"] for run in runs_record(comparison)["runs"]] == [
        [], ["low_rank"], ["low_rank"],
    ]  # fmt: skip
    lines = list(csv.DictReader(io.StringIO(csv_text(comparison))))
    assert {line["low_rank"] for line in lines if line["kind"] == "row"} == {"2"}
