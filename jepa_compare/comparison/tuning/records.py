"""A study as a comparison sees it: what was selected, and which run is for what."""

from collections.abc import Mapping
from dataclasses import dataclass

from jepa_compare.comparison.runs import Run
from jepa_compare.runs.study_records import StudyFile


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Of one loss, as far as its runs have come."""

    ranked: tuple[int, ...] = ()
    """All trials, best first; empty until every one has ended."""
    confirmed: tuple[int, ...] = ()
    """The first `confirm_top` of them."""
    selected: int | None = None
    """The trial with the best mean score over its confirming runs; None until all have ended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyRuns:
    """A study and its runs, by what they are for; of what is superseded, none."""

    study: StudyFile
    selections: Mapping[str, Selection]
    """By the name of the loss."""
    trials: tuple[Run, ...]
    confirm: tuple[Run, ...]
    """Of the confirmed trials."""
    tuned: tuple[Run, ...]
    """The report: each loss with its selected settings, at the study's length."""
    shipped: tuple[Run, ...]
    """Each loss as it is shipped, on seeds of the report."""
    longer: Mapping[int, tuple[Run, ...]]
    """The selected settings at other lengths, by multiples of the study's."""
