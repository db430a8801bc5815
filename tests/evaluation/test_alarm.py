"""The early warning is raised once, not for a dip, and in the same place after a resume."""

import math

from jepa_compare.evaluation.alarm import collapse_alarms


def history(*spreads: float) -> list[tuple[int, float]]:
    return [(25 * index, spread) for index, spread in enumerate(spreads)]


def test_two_low_looks_in_a_row_warn_once_in_one_sentence() -> None:
    (alarm,) = collapse_alarms(history(0.22, 0.05, 0.019, 0.01, 0.005, 0.004))
    assert (alarm.step, alarm.since) == (75, 50)
    assert "step 75" in alarm.message
    assert "\n" not in alarm.message


def test_a_dip_and_a_healthy_run_do_not_warn() -> None:
    assert collapse_alarms(history(0.22, 0.015, 0.03, 0.015, 0.2)) == []
    assert collapse_alarms(history(0.22, 0.14, 0.3, 0.9)) == []


def test_a_spread_around_the_threshold_warns_once_and_a_relapse_again() -> None:
    around = history(0.22, 0.019, 0.018, 0.021, 0.019, 0.018, 0.021)
    assert [alarm.step for alarm in collapse_alarms(around)] == [50]
    relapse = history(0.22, 0.01, 0.01, 0.05, 0.01, 0.01)
    assert [alarm.step for alarm in collapse_alarms(relapse)] == [50, 125]


def test_a_prefix_of_the_history_gives_a_prefix_of_the_alarms() -> None:
    whole = history(0.22, 0.01, 0.01, 0.05, math.nan, 0.01, 0.01, 0.3)
    alarms = collapse_alarms(whole)
    assert len(alarms) == 2
    for end in range(len(whole) + 1):
        last = whole[end - 1][0] if end else -1
        expected = [alarm for alarm in alarms if alarm.step <= last]
        assert collapse_alarms(whole[:end]) == expected
