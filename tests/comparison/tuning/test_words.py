"""Where a value lies in its range, and what is warned of."""

import math
from pathlib import Path

import pytest

from jepa_compare.comparison.tuning.results import (
    LossTuning,
    Mean,
    Parameter,
    Share,
    Trial,
    Tuning,
)
from jepa_compare.comparison.tuning.words import about_studies, with_lengths
from jepa_compare.metrics import PRIMARY, describe
from jepa_compare.runs.study_records import Scale, SearchRange
from tests.support.synthetic_study import SyntheticStudy, value_at


def parameter(scale: Scale, place: float | None) -> Parameter:
    searched = SearchRange(low=0.5, high=0.99, scale=scale, default=0.9, shared=False)
    value = None if place is None else value_at(searched, place)
    return Parameter(key="aux_loss.decay", searched=searched, selected=value)


@pytest.mark.parametrize("scale", ["log", "log_one_minus", "linear"])
def test_a_place_is_where_a_value_lies_on_its_scale(scale: Scale) -> None:
    of_range = parameter(scale, None)
    assert of_range.place(0.5) == pytest.approx(0)
    assert of_range.place(0.99) == pytest.approx(1)
    middle = {"log": math.sqrt(0.5 * 0.99), "log_one_minus": 1 - math.sqrt(0.5 * 0.01)}
    assert of_range.place(middle.get(scale, 0.745)) == pytest.approx(0.5)
    assert not of_range.at_edge
    edges = [parameter(scale, place).at_edge for place in (0.02, 0.09, 0.11, 0.5, 0.89, 0.91)]
    assert edges == [True, True, False, False, False, True]


def tuning(*places: float, missing: int = 0) -> Tuning:
    """A loss per place of its selected value; the last one lacks the scores of some trials."""
    nothing, losses = Mean.of({}), []
    for index, place in enumerate(places):
        lacks = missing if index == len(places) - 1 else 0
        scores = [math.nan if number < lacks else 0.5 for number in range(4)]
        losses.append(
            LossTuning(
                loss="abc"[index],
                trials=tuple(
                    Trial(number=i, values={}, score=s, outcome="healthy", confirmed=False)
                    for i, s in enumerate(scores)
                ),
                best_of=(),
                collapsed=Share(hits=0, of=4),
                diverged=Share(hits=0, of=4),
                near_best=None,
                parameters=(parameter("log", place),),
                selected=0,
                trial_score=0.5,
                confirmed=nothing,
                tuned=nothing,
                shipped=nothing,
                gain=nothing,
                runs=4,
                seconds=1.0,
            )
        )
    study = SyntheticStudy(path=Path("nowhere")).record()
    return Tuning(
        study=study,
        metric=describe(PRIMARY),
        smallest_effect=None,
        losses=tuple(losses),
        lengths=(),
    )


def test_selected_values_at_an_edge_are_named() -> None:
    assert about_studies([tuning(0.5, 0.3)]) == ()
    (warning,) = about_studies([tuning(0.5, 0.95)])
    assert "outer tenth" in warning and warning.endswith(": b: aux_loss.decay.")


def test_unequal_numbers_of_trials_are_named() -> None:
    (warning,) = about_studies([tuning(0.5, 0.5, missing=1)])
    assert warning == "Trials with a score differ between losses: a 4, b 3."


def test_without_another_length_the_conclusion_is_as_it_was() -> None:
    sentences = ("a leads.", "With 5 seeds.")
    assert with_lengths(sentences, [tuning(0.5)]) == sentences
    assert with_lengths(sentences, []) == sentences
