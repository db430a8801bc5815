"""Every format says the same numbers, and shows hostile text as it is."""

import csv
import io
import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

from jepa_compare.comparison import Comparison, compare, load_runs
from jepa_compare.comparison.results import ANALYSIS_SETS
from jepa_compare.report import json_csv, latex, markdown
from jepa_compare.report.json_csv import comparison_record, csv_text, runs_record
from jepa_compare.report.tables import combinations, main_table
from jepa_compare.report.terminal import plain_text, rich_text
from jepa_compare.report.write import FORMATS, write_comparison
from tests.support.synthetic import DEFAULT_LOSSES, Loss, Sweep, write_run

HOSTILE = (
    '=2+3<script>alert("1")</script> [x](http://e.vil) $\\input{/etc/passwd}$'
    " \x1b[31m\u202e--`|*_#&%~^"
)
SHOWN_HOSTILE = HOSTILE.replace("\x1b", "?").replace("\u202e", "?")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Five losses, one of them failed once, one seed diverged, and a row with a hostile name."""
    path = Sweep(path=tmp_path_factory.mktemp("sweep"), seeds=range(5)).write()
    write_run(path, loss=DEFAULT_LOSSES["vicreg"], seed=5, state="failed")
    write_run(path, loss=DEFAULT_LOSSES["dino"], seed=5, status="diverged")
    evil = Loss(name=HOSTILE, success={"detour": 0.5, "door": 0.5, "same": 0.5}, probe_rmse=1.0)
    for seed in range(3):
        write_run(path, loss=evil, seed=seed, name=f"evil_{seed}\x1b]0;title\x07")
    (path / "evil_0\x1b]0;title\x07" / "status.json").write_text("{")
    return compare(load_runs(path))


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Two losses, two targets, two coefficients, one of them negative."""
    path = tmp_path_factory.mktemp("grid")
    for seed in range(2):
        for loss in (DEFAULT_LOSSES["vicreg"], DEFAULT_LOSSES["dino"]):
            for target in ("shared", "ema"):
                for shift in (-1.5, 2):
                    swept = {"aux_loss.target": target, "data.shift": shift}
                    write_run(path, loss=loss, seed=seed, overrides=swept)
    return compare(load_runs(path))


def number(text: str) -> float | None:
    return None if text == "" else float(text)


def test_the_csv_reads_back_to_the_same_numbers(comparison: Comparison) -> None:
    lines = list(csv.DictReader(io.StringIO(csv_text(comparison))))
    expected = len(comparison.rows) * len(comparison.metrics) * len(ANALYSIS_SETS)
    assert sum(line["kind"] == "row" for line in lines) == expected
    by_label = {row.label: row for row in comparison.rows}
    for line in lines:
        label = line["row"].removeprefix("'")
        if line["kind"] == "reference":
            (reference,) = [r for r in comparison.references if r.label == label]
            estimate = reference.estimates[line["metric"]]
        else:
            analysis_set = "healthy" if line["analysis_set"] == "healthy" else "all"
            estimate = comparison.estimate(label, line["metric"], analysis_set)
            counts = {outcome: int(line[outcome]) for outcome in by_label[label].counts}
            assert counts == by_label[label].counts
        low, high = estimate.interval or (None, None)
        mean = None if estimate.n == 0 else estimate.mean
        assert (int(line["n"]), int(line["missing"])) == (estimate.n, estimate.missing)
        assert [number(line[key]) for key in ("mean", "low", "high", "iqm")] == [
            mean, low, high, estimate.iqm,
        ]  # fmt: skip


def test_no_cell_of_the_csv_is_a_formula(comparison: Comparison, grid: Comparison) -> None:
    for each in (comparison, grid):
        formulas = [cell for cell in cells_of(each) if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
        assert all(re.fullmatch(r"-?\d[\d.e+-]*", cell) for cell in formulas)
    assert f"'{SHOWN_HOSTILE}" in next(c for c in cells_of(comparison) if "script" in c)
    assert "-1.5" in cells_of(grid)  # a negative setting is a number, not a formula
    assert csv_text(grid).splitlines()[0].startswith("kind,analysis_set,row,target,aux_loss,")


def cells_of(comparison: Comparison) -> list[str]:
    return [cell for line in csv.reader(io.StringIO(csv_text(comparison))) for cell in line]


def test_the_csv_has_the_settings_that_by_names(grid: Comparison) -> None:
    by = compare(grid.runs, by=["training.steps", "aux_loss"])
    header, first = csv_text(by).splitlines()[:2]
    assert header.split(",")[4:6] == ["training.steps", "aux_loss"]
    assert first.split(",")[4] == "600"


def documented(name: str, text: str) -> set[str]:
    """Keys that the schema in the docstring of json_csv.py lists after `name`."""
    (body,) = re.findall(rf"^ *{name} +\[?\{{(.*?)\}}\]?(?:$| or)", text, re.MULTILINE | re.DOTALL)
    while "[" in body or "{" in body:
        body = re.sub(r"\[[^\[\]{}]*\]|\{[^\[\]{}]*\}", "", body)
    return {part.split(":")[0].split()[0] for part in body.split(",") if part.strip()}


def test_the_json_is_what_its_schema_says(comparison: Comparison) -> None:
    record = json.loads(json.dumps(comparison_record(comparison), allow_nan=False))
    text = json_csv.__doc__ or ""
    for name in ("metrics", "rows", "references", "pairs", "unswept", "left_out"):
        for item in record[name]:
            assert set(item) == documented(name, text), name
    estimate = record["rows"][0]["estimates"]["all"][record["primary"]]
    assert set(estimate) == documented("ESTIMATE", text)
    top = text.partition("schema_version   3")[2].partition("\n    ESTIMATE")[0]
    assert all(re.search(rf"\b{key}\b", top) for key in record if key != "schema_version")
    assert record["schema_version"] == 3
    assert record["conclusion"] == list(comparison.conclusion)
    for row in record["rows"]:
        for key, cell in row["estimates"]["all"].items():
            expected = comparison.estimate(row["label"], key)
            assert (cell["low"], cell["high"]) == (expected.interval or (None, None))
            assert cell["mean"] == (expected.mean if expected.n else None)
            assert cell["scores"] == {str(seed): value for seed, value in expected.scores.items()}
    primary = [
        p for p in record["pairs"] if (p["analysis_set"], p["metric"]) == ("all", record["primary"])
    ]
    assert [p["sentence"] for p in primary] == [
        pair.sentence for pair in comparison.pairs["all", comparison.primary.key]
    ]


def test_each_run_stands_in_the_results_file(comparison: Comparison) -> None:
    runs = json.loads(json.dumps(runs_record(comparison), allow_nan=False))["runs"]
    assert len(runs) == len(comparison.runs)
    assert {run["outcome"] for run in runs} == {
        "healthy", "complete_collapse", "failed", "diverged",
    }  # fmt: skip
    assert all(run["reason"] for run in runs if run["outcome"] != "healthy")


def cells_of_markdown(text: str) -> list[list[str]]:
    return [
        [
            unescape(re.sub(r"\\(.)", r"\1", cell)).strip()
            for cell in re.split(r"(?<!\\)\|", line)[1:-1]
        ]
        for line in text.splitlines()
        if line.startswith("|") and not line.startswith("| ---")
    ]


def test_markdown_holds_the_table_and_shows_hostile_text(comparison: Comparison) -> None:
    text = markdown.markdown(comparison)
    table = cells_of_markdown(text)
    grid = main_table(comparison)
    assert table[0] == list(grid.header)
    lines = table[1 : 1 + len(grid.lines)]
    assert [[cell.strip("*") for cell in line] for line in lines] == [
        [cell.strip("*") for cell in line] for line in grid.lines
    ]
    assert not re.search(r"<script|(?<!\\)\]\(|(?<!\\)`|\x1b", text)
    for section in ("All runs", "Healthy runs only", "Paired differences", "Warnings", "Left out"):
        assert f"## {section}" in text
    assert "status.json is truncated" in text.replace("\\", "")


def test_a_table_per_combination_of_the_other_axes(grid: Comparison) -> None:
    tables = combinations(grid)
    assert [combination.title for combination in tables] == [
        "target=ema, shift=-1.5", "target=ema, shift=2", "target=shared, shift=-1.5",
        "target=shared, shift=2",
    ]  # fmt: skip
    for combination in tables:
        labels = [line[0] for line in combination.grid.lines]
        assert sorted(label.partition(" ")[0] for label in labels) == ["dino", "vicreg"]
        assert all(combination.title.replace(", ", " · ") in label for label in labels)
        assert combination.conclusion
    text = markdown.markdown(grid)
    assert text.count("## target=") == 4
    assert "target=ema, shift=-1.5" in plain_text(grid, whole=True)


def test_a_sweep_over_the_loss_alone_has_one_table(comparison: Comparison) -> None:
    assert combinations(comparison) == ()


def test_latex_is_a_booktabs_table(comparison: Comparison, tmp_path: Path) -> None:
    text = latex.latex(comparison)
    grid = main_table(comparison)
    (columns,) = re.findall(r"\\begin\{tabular\}\{([lr]+)\}", text)
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(columns) == len(grid.header)
    over, *lines = lines
    assert re.findall(r"multicolumn\{(\d)\}\{c\}\{(\w*)\}", over) == [
        (str(span), title) for title, span in grid.groups
    ]
    assert len(lines) == 1 + len(grid.lines)
    assert all(len(re.findall(r"(?<!\\)&", line)) == len(columns) - 1 for line in lines)
    for rule in ("toprule", "midrule", "bottomrule"):
        assert f"\\{rule}" in text
    assert text.isascii()
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert r"\input" not in text and r"\textbackslash{}input\{" in text
    if shutil.which("pdflatex") is None:
        return  # the structure above is what can be checked
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}" + text
    (tmp_path / "table.tex").write_text(document + r"\end{document}")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "table.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a_b & 50%", r"a\_b \& 50\%"),
        ("[opt]", "{}[opt]"),  # after a line's end it would be an argument
        ("* x", "{}* x"),
        ("a--b", "a-{}-b"),
        ("\\~^", r"\textbackslash{}\textasciitilde{}\textasciicircum{}"),
        ("日本", "??"),
    ],
)
def test_latex_escapes(text: str, escaped: str) -> None:
    assert latex.escape(text) == escaped


def test_plain_text_has_the_conclusion_and_no_control_character(comparison: Comparison) -> None:
    text = plain_text(comparison, whole=True)
    assert text.replace("\n", "").isprintable()
    assert SHOWN_HOSTILE in text
    for sentence in comparison.conclusion + comparison.warnings:
        assert sentence in text
    for row in comparison.rows:
        assert row.label in text
    short = plain_text(comparison)
    assert "Healthy runs only\n" not in short and len(short) < len(text)


def test_rich_text_fits_the_terminal_and_takes_no_markup(comparison: Comparison) -> None:
    text = rich_text(comparison, 100)
    bare = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "\x1b[" in text
    assert bare.replace("\n", "").isprintable()
    assert max(map(len, bare.splitlines())) <= 100
    assert "<script>" in bare and "barlow_twins" in bare
    plain = rich_text(comparison, 100, colour=False)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", plain)


def test_every_format_is_written_and_printed(tmp_path: Path) -> None:
    path = Sweep(path=tmp_path / "sweep", seeds=range(2)).write()
    names = {
        "markdown": "comparison.md",
        "csv": "comparison.csv",
        "json": "comparison.json",
        "tex": "comparison.tex",
    }
    for format in FORMATS:
        text = write_comparison([path], tmp_path / "out", format=format, html=False, figures=False)
        if format in names:
            assert text == (tmp_path / "out" / names[format]).read_text()
        else:
            assert "vicreg" in text and "Written to" in text
    written = {file.name for file in (tmp_path / "out").iterdir() if file.is_file()}
    assert {
        *names.values(),
        "experiment_comparison_results.json",
        "comparison_summary.txt",
    } <= written
    write_comparison([path], html=False, figures=False)
    assert (path / "comparison" / "comparison.md").exists()
    assert len(load_runs(path)) == 10  # the outputs are no runs
