"""The files of a run and their records: what training writes is read whole, and nothing else is."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from jepa_compare.comparison import load_runs
from jepa_compare.runs import layout
from jepa_compare.runs.codec import decode, encode
from jepa_compare.runs.evaluation_records import EvaluationFile, FloorFile
from jepa_compare.runs.metrics_log import read_rows
from jepa_compare.runs.records import (
    SCHEMA_VERSION,
    ConfigFile,
    MetricsRow,
    StatusFile,
    SummaryFile,
)
from jepa_compare.runs.untrusted import Damaged
from jepa_compare.system import files
from tests.support.runs import train
from tests.support.synthetic import DEFAULT_LOSSES, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the real program."""
    directory = tmp_path_factory.mktemp("sweep") / "run"
    train(directory, "aux_loss=vicreg")
    return directory


def test_every_file_of_a_real_run_is_read_and_nothing_is_skipped(run: Path) -> None:
    kinds: dict[Path, type] = {
        run / layout.CONFIG: ConfigFile,
        run / layout.STATUS: StatusFile,
        run / layout.SUMMARY: SummaryFile,
        **dict.fromkeys((run / layout.EVALUATIONS).iterdir(), EvaluationFile),
        **dict.fromkeys(run.rglob(f"{layout.FLOORS}/*.json"), FloorFile),
    }
    assert len(kinds) == 4 + 6
    for path, kind in kinds.items():
        content = files.read_json(path)
        record = decode(kind, content, path.name)
        assert json.loads(files.to_json(encode(record))) == content, "no key is passed over"
        assert decode(kind, encode(record), path.name) == record
        assert content.get("schema_version", SCHEMA_VERSION) == SCHEMA_VERSION
    (loaded,) = load_runs(run.parent).runs
    assert loaded.outcome != "failed" and not loaded.unverified and loaded.tasks
    assert loaded.cost["seconds.interim_evaluations"] > 0
    assert not load_runs(run.parent).left_out


def test_every_row_of_a_real_run_is_read(run: Path) -> None:
    lines = (run / layout.METRICS).read_text().splitlines()
    rows = [row for row in read_rows(run) if row is not None]
    assert len(rows) == len(lines) > 2
    for row, line in zip(rows, lines, strict=True):
        content = json.loads(line)
        assert {"step": row.step, **row.values} == content
        assert decode(MetricsRow, encode(row), "row") == row


def test_metrics_that_were_not_finite_come_back(tmp_path: Path) -> None:
    values = {"train/loss": math.nan, "train/aux": -math.inf, "eval/spread": None, "train/lr": 1}
    line = files.to_json({"step": 3, **values})
    (tmp_path / layout.METRICS).write_text(f"{line}\n\n[]\n")
    row, damaged = read_rows(tmp_path)
    assert damaged is None and row is not None
    assert math.isnan(row.values["train/loss"] or 0)
    assert (row.step, row.values["train/aux"]) == (3, -math.inf)
    assert row.values["eval/spread"] is None and type(row.values["train/lr"]) is float


def summary(tmp_path: Path) -> dict[str, Any]:
    path = write_run(tmp_path, loss=DEFAULT_LOSSES["vicreg"], seed=0, tasks=4)
    return files.read_json(path / layout.SUMMARY)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"status": "well"}, "status is 'well', not one of healthy"),
        ({"status": ["healthy"]}, "status is ['healthy'], not one of healthy"),
        ({"metrics": []}, "metrics is not an object"),
        ({"metrics": {"eval/spread": "0.5"}}, "metrics.eval/spread is '0.5', not a number"),
        ({"metrics": {"eval/spread": True}}, "metrics.eval/spread is True, not a number"),
        ({"metrics": {"\x1b[31m": "x"}}, "metrics.?[31m is 'x', not a number"),
        ({"steps": 2.0}, "steps is 2.0, not a whole number"),
        ({"steps": True}, "steps is True, not a whole number"),
        ({"steps": 2**63}, "steps is 9223372036854775808, not a whole number"),
        ({"steps": -1}, "steps is -1, not at least 0"),
        ({"compile": None}, "compile is None, not text"),
        ({"command": "python"}, "command is not a list"),
        ({"command": ["python", 3]}, "command.1 is 3, not text"),
        ({"seconds": {"train": 1.0}}, "seconds has no evaluation"),
        ({"git": {"commit": "abc", "dirty": 0}}, "git.dirty is 0, not true or false"),
        ({"flags": {"tf32": 1}}, "flags.tf32 is 1, not text or true or false"),
    ],
)
def test_a_damaged_value_is_named_with_its_place(
    tmp_path: Path, values: dict[str, Any], reason: str
) -> None:
    content = summary(tmp_path)
    with pytest.raises(Damaged) as raised:
        decode(SummaryFile, content | values, layout.SUMMARY)
    assert str(raised.value).startswith(f"{layout.SUMMARY}: {reason}")


def test_a_key_that_is_missing_damages_the_file(tmp_path: Path) -> None:
    content = summary(tmp_path)
    added = {"run", "digests", "notes"}  # after version 2, as is the cost of a step
    added |= {"clipped_steps_share", "aux_to_prediction_gradient", "aux_seconds_per_step"}
    for key in content.keys() - added:
        rest = {name: value for name, value in content.items() if name != key}
        with pytest.raises(Damaged, match=f"has no {key}$"):
            decode(SummaryFile, rest, layout.SUMMARY)


def test_what_is_not_an_object_is_no_record() -> None:
    with pytest.raises(Damaged, match="is not an object"):
        decode(SummaryFile, ["status"], layout.SUMMARY)


def test_a_key_of_a_newer_writer_is_passed_over(tmp_path: Path) -> None:
    content = summary(tmp_path)
    newer = content | {"energy": 3.0, "seconds": content["seconds"] | {"waiting": 1.0}}
    assert decode(SummaryFile, newer, "new") == decode(SummaryFile, content, "old")


@pytest.mark.parametrize(("text", "value"), [("inf", math.inf), ("-inf", -math.inf)])
def test_numbers_that_are_not_finite_are_texts(tmp_path: Path, text: str, value: float) -> None:
    content = summary(tmp_path) | {"samples_per_second": text}
    assert decode(SummaryFile, content, layout.SUMMARY).samples_per_second == value
    missing = decode(SummaryFile, content | {"samples_per_second": "nan"}, layout.SUMMARY)
    assert math.isnan(missing.samples_per_second or 0)


def test_a_time_must_be_finite(tmp_path: Path) -> None:
    path = write_run(tmp_path, loss=DEFAULT_LOSSES["vicreg"], seed=0, tasks=4)
    content = files.read_json(path / layout.STATUS) | {"heartbeat": "nan"}
    with pytest.raises(Damaged, match="heartbeat is 'nan', not finite"):
        decode(StatusFile, content, layout.STATUS)


def test_a_distance_that_was_not_finite_does_not_cost_the_file() -> None:
    """The writer spells it "nan", and so it is read."""
    stored = {"schema_version": 2, "policy": "random", "seed": None, "metrics": {}}
    floor = decode(FloorFile, stored | {"tasks": {"door": {"final_distance": ["nan", 1.0]}}}, "f")
    first, second = floor.tasks["door"]["final_distance"]
    assert first != first and second == 1.0
