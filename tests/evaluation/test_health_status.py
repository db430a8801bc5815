"""The rule for a run's status."""

import math

import pytest

from jepa_compare.evaluation.health_status import run_notes, run_status
from jepa_compare.runs.records import Status
from jepa_compare.runs.version_1 import rename_status


def metrics(spread: float | None, probe: tuple[float, ...]) -> dict[str, float | None]:
    sets: dict[str, float | None] = {f"eval/probe_r2_set_{i}": r2 for i, r2 in enumerate(probe, 1)}
    return {"eval/probe_r2": 0.0, "eval/spread": spread, **sets}


@pytest.mark.parametrize(
    ("spread", "probe", "expected"),
    [
        (0.5, (0.99, 0.99), "healthy"),
        (0.005, (0.99, 0.99), "healthy"),
        (0.005, (0.5, 0.97), "healthy"),
        (0.005, (0.9, 0.91), "complete_collapse"),
        (0.5, (0.9, 0.94), "no_better_than_untrained"),
        (0.005, (0.5, 0.5), "complete_collapse"),
        (0.02, (0.5, 0.5), "no_better_than_untrained"),
        (math.nan, (0.99, 0.99), "diverged"),
        (None, (0.99, 0.99), "diverged"),
        (0.5, (0.99, -math.inf), "diverged"),
    ],
)
def test_the_status(spread: float | None, probe: tuple[float, float], expected: str) -> None:
    """The untrained encoder has .9 on both sets; its error must fall by two fifths."""
    assert run_status(metrics(spread, probe), metrics(0.3, (0.9, 0.9))) == expected


@pytest.mark.parametrize(
    ("spread", "expected"),
    [(0.5, "healthy"), (0.01, "complete_collapse"), (math.inf, "diverged")],
)
def test_without_labels_the_spread_decides(spread: float, expected: str) -> None:
    assert run_status({"eval/spread": spread}, {"eval/spread": 0.3}) == expected


def test_without_a_spread_the_probe_does() -> None:
    untrained = {"eval/probe_r2_set_1": 0.9}
    assert run_status({"eval/probe_r2_set_1": 0.8}, untrained) == "no_better_than_untrained"
    assert run_status({"eval/probe_r2_set_1": 0.97}, untrained) == "healthy"


@pytest.mark.parametrize(
    ("status", "directions", "label_dim", "low"),
    [
        ("healthy", 2.0, 2, True),
        ("healthy", 3.0, 2, False),
        ("healthy", 2.0, None, False),
        ("healthy", None, 2, False),
        ("complete_collapse", 2.0, 2, False),
    ],
)
def test_a_low_rank_is_noted_of_healthy_runs(
    status: Status, directions: float | None, label_dim: int | None, low: bool
) -> None:
    measured = {"eval/participation_ratio": directions}
    assert run_notes(status, measured, label_dim) == (["low_rank"] if low else [])


def test_an_earlier_status_is_read_as_todays() -> None:
    old = {"status": "dimensional_collapse", "schema_version": 2}
    assert rename_status(old) == old | {"status": "no_better_than_untrained"}
    assert rename_status({"status": ["healthy"]}) == {"status": ["healthy"]}
