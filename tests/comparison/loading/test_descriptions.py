"""Descriptions from a file that nobody vouches for."""

from dataclasses import replace

import pytest

from jepa_compare.comparison.loading.descriptions import read_descriptions
from jepa_compare.metrics import Metric, describe
from jepa_compare.runs.evaluation_records import Description
from jepa_compare.runs.untrusted import Damaged

MINE = Metric(key="eval/mine", label="mine", unit="m", better="lower", low=0.0, about="of mine")
STORED = Description(**MINE.description())


def test_what_was_written_is_read() -> None:
    ours = describe("eval/probe_rmse", "px")
    stored = {MINE.key: STORED, ours.key: Description(**ours.description())}
    assert read_descriptions(stored, "file") == {MINE.key: MINE, ours.key: ours}
    assert read_descriptions({}, "file") == {}


def test_texts_can_be_shown_anywhere() -> None:
    stored = {"eval/\x1b": replace(STORED, label="\x1b[2J")}
    (metric,) = read_descriptions(stored, "file").values()
    assert metric.label == "?[2J" and metric.key.startswith("eval/? #")


@pytest.mark.parametrize(
    ("key", "description", "reason"),
    [
        ("eval/mine", replace(STORED, decimals=99), "decimals"),
        ("eval/mine", replace(STORED, better=None, downstream=True), "downstream"),
        ("mine", STORED, "must be eval/..."),
        ("eval/probe_r2", STORED, "is built in, described with label='mine' here and 'probe R²'"),
    ],
)
def test_a_description_that_cannot_be_used_is_named(
    key: str, description: Description, reason: str
) -> None:
    with pytest.raises(Damaged) as caught:
        read_descriptions({key: description}, "file")
    assert str(caught.value).startswith("file: ") and reason in str(caught.value)
