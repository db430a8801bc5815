"""Bands over seeds, by hand."""

import numpy as np

from jepa_compare.comparison.loading.history import History
from jepa_compare.report.figures.bands import MOST_STEPS, band, spectrum_band


def history(steps: list[int], values: list[float]) -> History:
    return History(
        steps=np.array(steps, dtype=np.int64), columns={"x": np.array(values)}, skipped=0
    )


def test_mean_and_range_at_each_step() -> None:
    curve = band([history([1, 5], [1.0, 4.0]), history([1, 5], [3.0, 0.0])], "x")
    assert curve is not None and curve.seeds == 2
    assert curve.steps.tolist() == [1, 5]
    assert curve.mean.tolist() == [2, 2]
    assert curve.low.tolist() == [1, 0] and curve.high.tolist() == [3, 4]


def test_seeds_that_logged_elsewhere_count_with_the_line_between() -> None:
    curve = band([history([0, 10], [0.0, 10.0]), history([0, 5, 10], [2.0, 7.0, 12.0])], "x")
    assert curve is not None
    assert curve.steps.tolist() == [0, 5, 10] and curve.mean.tolist() == [1, 6, 11]
    assert curve.low.tolist() == [0, 5, 10]


def test_the_others_go_on_without_a_seed_that_stopped() -> None:
    curve = band([history([0, 1, 2], [1.0, 1.0, 1.0]), history([0, 1], [3.0, 3.0])], "x")
    assert curve is not None
    assert curve.mean.tolist() == [2, 2, 1] and curve.high.tolist() == [3, 3, 1]


def test_thinning_keeps_spikes() -> None:
    steps = list(range(5000))
    values = [0.0] * 5000
    values[1234], values[4321] = 50.0, -7.0
    curve = band([history(steps, values)], "x")
    assert curve is not None and len(curve.steps) == MOST_STEPS
    assert curve.high.max() == 50 and curve.low.min() == -7
    place = int(curve.high.argmax())
    assert abs(curve.steps[place] - 1234) < 5000 / MOST_STEPS
    assert 0 < curve.mean[place] < 2  # 50 over the 41 or 42 steps of its bin


def test_what_is_not_there_has_no_band() -> None:
    assert band([], "x") is None
    assert band([history([1], [np.nan])], "x") is None
    assert band([history([1], [1.0])], "y") is None


def test_the_largest_floats_do_not_overflow() -> None:
    curve = band([history([1], [1.7e308]), history([1], [1.7e308])], "x")
    assert curve is not None and np.isfinite(curve.mean).all()


def test_spectra_have_a_geometric_mean() -> None:
    curve = spectrum_band([np.array([1.0, 0.01]), np.array([1.0, 0.0001]), np.array([1.0])])
    assert curve is not None and curve.seeds == 2
    assert np.allclose(curve.mean, [1, 0.001]) and np.allclose(curve.low, [1, 0.0001])
    assert spectrum_band([]) is None
    zeros = spectrum_band([np.array([0.0, np.nan])])
    assert zeros is not None and np.isfinite(zeros.mean).all()
