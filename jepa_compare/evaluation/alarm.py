"""The early warning: a run whose latents collapse says so while it runs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from jepa_compare.metrics import COLLAPSED_SPREAD

_CONFIRMATIONS = 2  # one low look may be a dip that a healthy run passes through early
_RECOVERED_SPREAD = 2 * COLLAPSED_SPREAD  # so that a spread at the threshold warns once


@dataclass(frozen=True, kw_only=True, slots=True)
class Alarm:
    """One warning. `step` is when it was raised, `since` when the spread was first seen low."""

    step: int
    since: int
    message: str


def collapse_alarms(spreads: Iterable[tuple[int, float]]) -> list[Alarm]:
    """All warnings that a history of (step, spread) gives rise to, in order.

    A function of the history alone, so a resumed run that reads its rows back warns exactly where
    an uninterrupted one does; a warning is new if its step is the last one of the history. Raised
    when two looks in a row are below the collapse threshold, and again only after a recovery to
    twice the threshold. Values that are not finite are the loop's to report and are skipped.
    """
    alarms: list[Alarm] = []
    low: list[int] = []
    armed = True
    for step, spread in spreads:
        if not math.isfinite(spread):
            continue
        armed = armed or spread >= _RECOVERED_SPREAD
        low = [*low, step] if spread < COLLAPSED_SPREAD else []
        if armed and len(low) == _CONFIRMATIONS:
            message = (
                f"the latents are collapsing: since step {low[0]} their spread has been below"
                f" {COLLAPSED_SPREAD}, at step {step} it is {spread:.2g}"
            )
            alarms.append(Alarm(step=step, since=low[0], message=message))
            armed = False
    return alarms
