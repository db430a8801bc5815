"""Ranges, and the settings of each trial."""

import math

import pytest

from jepa_compare.checks import ConfigError
from jepa_compare.sweep.tuning.space import ranges, sobol_values

CONFIG = {"weight": 2.0, "momentum": 0.9, "margin": 1.0, "on": "views", "deep": {"lr": 1e-3}}
SEARCH = {
    "weight": 10,
    "momentum": {"factor": 10, "scale": "log_one_minus"},
    "margin": {"low": 0, "high": 2, "scale": "linear"},
    "deep": {"lr": 3},
}
SPACE = ranges(SEARCH, CONFIG, "aux_loss", shared=False)


def test_a_range_is_relative_to_the_shipped_value_unless_it_says_otherwise() -> None:
    assert {key: (of.low, of.high) for key, of in SPACE.items()} == {
        "aux_loss.weight": (0.2, 20.0),
        "aux_loss.momentum": (0.0, pytest.approx(0.99)),
        "aux_loss.margin": (0.0, 2.0),
        "aux_loss.deep.lr": (pytest.approx(1e-3 / 3), 3e-3),
    }
    assert SPACE["aux_loss.momentum"].default == 0.9


def test_the_trials_of_a_shorter_study_are_the_first_of_a_longer_one() -> None:
    short, long = (sobol_values(SPACE, n, 0, "mine") for n in (5, 32))
    assert {key: values[:5] for key, values in long.items()} == short
    assert sobol_values(SPACE, 5, 1, "mine") != short
    assert sobol_values(SPACE, 5, 0, "other") != short


def test_trials_lie_evenly_in_the_scale_of_their_range() -> None:
    """Of 32 Sobol points each half of a dimension holds 16, each quarter 8."""
    values = sobol_values(SPACE, 32, 7, "mine")
    places = {
        "aux_loss.weight": [math.log(v / 0.2) / math.log(100) for v in values["aux_loss.weight"]],
        "aux_loss.margin": [v / 2 for v in values["aux_loss.margin"]],
        "aux_loss.momentum": [
            1 - math.log((1 - v) / 0.01) / math.log(100) for v in values["aux_loss.momentum"]
        ],
    }
    for key, place in places.items():
        counts = [sum(low / 4 <= p < (low + 1) / 4 for p in place) for low in range(4)]
        assert counts == [8] * 4, key
    for key, of in SPACE.items():
        assert all(of.low <= value <= of.high for value in values[key])


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"wieght": 10}, "aux_loss.search.wieght: there is no aux_loss.wieght (did you mean"),
        ({"on": 10}, "search of aux_loss.on=views: only a number can be searched"),
        ({"weight": 1}, "factor=1, must be above 1"),
        ({"weight": "wide"}, "factor=wide, must be a number"),
        ({"weight": {"factor": 2, "scale": "logs"}}, "scale=logs, must be one of log, log_one"),
        ({"weight": {"low": 1}}, "must be a factor, or of factor, low, high, scale"),
        ({"weight": {"low": 0, "high": 1}}, "0 to 1 is no range of scale log"),
        ({"weight": {"low": 3, "high": 1}}, "3 to 1 is no range"),
        ({"weight": {"factor": 2, "scale": "log_one_minus"}}, "is no range of scale log_one_minus"),
    ],
)
def test_what_is_no_range_is_one_line(search: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ranges(search, CONFIG, "aux_loss", shared=False)
    assert message in str(caught.value) and "\n" not in str(caught.value)
