"""The catalogue: built-in descriptions, those that evaluations bring, and who wins."""

import math
from dataclasses import replace

import pytest

from jepa_compare import metrics
from jepa_compare.metrics import Metric


def mine(**changed: object) -> Metric:
    fields = {"key": "eval/mine", "label": "mine", "unit": "m", "about": "", "better": "lower"}
    return Metric(**(fields | changed))  # pyright: ignore[reportArgumentType]


def test_a_metric_without_the_labels_unit_is_a_rate_or_a_ratio() -> None:
    assert metrics.describe("eval/probe_rmse", "px").unit == "px"
    assert metrics.describe("eval/distance_door", "rad").unit == "rad"
    assert metrics.describe("eval/success_door", "px").unit == ""
    assert metrics.describe("eval/steps_door", "px").unit == ""


def test_the_parts_of_a_key_are_named_in_label_and_legend() -> None:
    assert metrics.describe("eval/rollout_rmse_8").label == "8-step RMSE"
    assert metrics.describe("eval/success_detour").label == "detour success"
    published = metrics.describe("eval/success_door_at_the_end")
    assert published.label == "door success (at the end)"
    assert published.about.endswith("by the criterion at the end")
    unknown = metrics.describe("eval/of_nobody")
    assert (unknown.label, unknown.better, unknown.downstream) == ("of_nobody", None, False)


def test_columns_stand_in_the_order_of_the_table() -> None:
    names = ["lidar", "rollout_rmse_16", "mine", "rollout_rmse_8", "success_same", "success_detour"]
    ordered = [metric.name for metric in metrics.in_order(f"eval/{name}" for name in names)]
    assert ordered == [
        "success_detour",
        "success_same",
        "rollout_rmse_8",
        "rollout_rmse_16",
        "lidar",
        "mine",
    ]


def test_a_catalogue_describes_what_is_not_built_in() -> None:
    known = {"eval/mine": mine()}
    assert metrics.in_order(["eval/mine"], known) == (mine(),)
    assert metrics.find("mine", known.values()) == mine()
    with pytest.raises(ValueError, match="no run has it; known here: mine"):
        metrics.find("yours", known.values())


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("eval/success_door", 1.0, True),
        ("eval/success_door", 1.01, False),
        ("eval/success_door", math.nan, True),
        ("eval/probe_rmse", -0.1, False),
        ("eval/probe_rmse", math.inf, True),
        ("eval/probe_r2", -3.0, True),
        ("eval/probe_r2", 1.5, False),
        ("eval/alpha_req", -1.0, True),
    ],
)
def test_the_range_of_a_metric(key: str, value: float, allowed: bool) -> None:
    assert metrics.describe(key).allows(value) is allowed


def test_a_number_is_written_with_the_digits_that_its_metric_has() -> None:
    assert mine(decimals=1).text(0.26, signed=True) == "+0.3"
    assert mine().text(-0.001) == "0.00"
    assert mine().text(math.nan) == "-"


@pytest.mark.parametrize(
    "changed",
    [
        {"key": "mine"},
        {"label": ""},
        {"decimals": 10},
        {"better": None, "downstream": True},
    ],
)
def test_a_description_that_no_table_can_show_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="mine"):
        mine(**changed)


def test_of_a_built_in_metric_the_code_is_right() -> None:
    ours = metrics.describe("eval/probe_rmse", "px")
    stored = replace(ours, about="worded anew", decimals=4)
    assert metrics.described(stored) == ours
    for field, value in (("better", "higher"), ("label", "my RMSE"), ("high", 1.0)):
        other = replace(ours, **{field: value})
        with pytest.raises(ValueError, match=f"eval/probe_rmse is built in, .*{field}={value!r}"):
            metrics.described(other)
    assert metrics.described(mine()) == mine()


def test_two_descriptions_of_one_key_are_not_averaged() -> None:
    most, other = {"eval/mine": mine()}, {"eval/mine": mine(unit="px")}
    catalogue, refused = metrics.agree([other, most, {}, most])
    assert catalogue == most
    reason = "eval/mine: described with unit='px' here and 'm' in other runs"
    assert refused == {0: reason}
    assert metrics.agree([other, most])[0] == other  # of a tie the first
    assert metrics.agree([]) == ({}, {})
