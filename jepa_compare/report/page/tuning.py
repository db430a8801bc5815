"""The section "Tuning" of the page: the tables of each study; the figures are drawn like all."""

from dataclasses import dataclass

from jepa_compare.comparison.results import Comparison
from jepa_compare.report.tables import Grid
from jepa_compare.report.tuning import (
    answers,
    budget_table,
    gain_table,
    protocol,
    settings_table,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StudySection:
    """What the page shows of one study."""

    title: str
    """"" where there is one study only."""
    protocol: str
    gain: Grid
    answers: tuple[tuple[str, str], ...]
    """At other lengths of training."""
    budget: Grid
    settings: Grid


def study_sections(comparison: Comparison) -> tuple[StudySection, ...]:
    """One per study; none of a comparison without."""
    several = len(comparison.tuning) > 1
    return tuple(
        StudySection(
            title=f"Study seed {tuning.study.study_seed}" if several else "",
            protocol=protocol(tuning),
            gain=gain_table(tuning),
            answers=answers(tuning),
            budget=budget_table(tuning),
            settings=settings_table(tuning),
        )
        for tuning in comparison.tuning
    )
