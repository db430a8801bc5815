"""Descriptions from a file that nobody vouches for."""

from typing import Any

import pytest

from jepa_compare.metrics import Metric, describe
from jepa_compare.runs.codec import decode
from jepa_compare.runs.descriptions import read_descriptions
from jepa_compare.runs.records import Description
from jepa_compare.runs.untrusted import Damaged

MINE = Metric(key="eval/mine", label="mine", unit="m", better="lower", low=0.0, about="of mine")


def read(descriptions: dict[str, dict[str, Any]]) -> dict[str, Metric]:
    """As a reader of an evaluation's file comes by them."""
    return read_descriptions(
        {key: decode(Description, d, f"descriptions.{key}") for key, d in descriptions.items()}
    )


def test_what_was_written_is_read() -> None:
    ours = describe("eval/probe_rmse", "px")
    stored = {metric.key: metric.description() for metric in (MINE, ours)}
    assert read(stored) == {MINE.key: MINE, ours.key: ours}
    assert read({}) == {}


def test_texts_can_be_shown_anywhere() -> None:
    (metric,) = read({"eval/\x1b": {"label": "\x1b[2J", "about": ""}}).values()
    assert metric.label == "?[2J" and metric.key.startswith("eval/? #")


@pytest.mark.parametrize(
    ("key", "changed", "reason"),
    [
        ("eval/mine", {"better": "more"}, "better is 'more', not one of higher, lower"),
        ("eval/mine", {"label": 3}, "label is 3, not text"),
        ("eval/mine", {"decimals": 99}, "decimals"),
        ("eval/mine", {"better": None, "downstream": True}, "downstream"),
        ("mine", {}, "must be eval/..."),
        ("eval/probe_r2", {}, "is built in, described with label='mine' here and 'probe R²' in"),
    ],
)
def test_a_description_that_cannot_be_used_is_named(
    key: str, changed: dict[str, object], reason: str
) -> None:
    with pytest.raises(Damaged) as caught:
        read({key: MINE.description() | changed})
    assert f"descriptions.{key}" in str(caught.value) and reason in str(caught.value)
