"""The rule for a run's status."""

import math

import pytest

from jepa_compare.evaluation.health_status import run_status


def metrics(spread: float | None, probe: tuple[float, ...]) -> dict[str, float | None]:
    sets: dict[str, float | None] = {f"eval/probe_r2_set_{i}": r2 for i, r2 in enumerate(probe, 1)}
    return {"eval/probe_r2": 0.0, "eval/spread": spread, **sets}


@pytest.mark.parametrize(
    ("spread", "probe", "expected"),
    [
        (0.5, (0.99, 0.99), "healthy"),
        (0.005, (0.99, 0.99), "healthy"),
        (0.005, (0.5, 0.91), "healthy"),
        (0.001, (0.9, 0.9), "healthy"),
        (0.005, (0.5, 0.5), "complete_collapse"),
        (0.02, (0.5, 0.5), "dimensional_collapse"),
        (math.nan, (0.99, 0.99), "diverged"),
        (None, (0.99, 0.99), "diverged"),
        (0.5, (0.99, -math.inf), "diverged"),
    ],
)
def test_the_status(spread: float | None, probe: tuple[float, float], expected: str) -> None:
    """The untrained encoder has .9 on both sets; equal is not below."""
    assert run_status(metrics(spread, probe), metrics(0.3, (0.9, 0.9))) == expected


@pytest.mark.parametrize(
    ("spread", "expected"),
    [(0.5, "healthy"), (0.01, "complete_collapse"), (math.inf, "diverged")],
)
def test_without_labels_the_spread_decides(spread: float, expected: str) -> None:
    assert run_status({"eval/spread": spread}, {"eval/spread": 0.3}) == expected


def test_without_a_spread_the_probe_does() -> None:
    untrained = {"eval/probe_r2_set_1": 0.9}
    assert run_status({"eval/probe_r2_set_1": 0.8}, untrained) == "dimensional_collapse"
    assert run_status({"eval/probe_r2_set_1": 0.95}, untrained) == "healthy"
