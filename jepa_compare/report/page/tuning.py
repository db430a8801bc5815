"""The section "Tuning" of the page: the tables of each study; the figures are drawn like all."""

from dataclasses import dataclass

from jepa_compare.comparison.results import Comparison
from jepa_compare.report.tables import Grid
from jepa_compare.report.tuning import (
    budget_table,
    gain_table,
    lengths_table,
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
    budget: Grid
    settings: Grid
    lengths: Grid | None
    conclusions: tuple[tuple[str, str], ...]
    """(what, sentence) of each other length."""


_ANSWERS = {
    "holds": "The conclusion holds at {} times the steps",
    "open": "Whether the conclusion holds at {} times the steps is open",
    "turns over": "The conclusion turns over at {} times the steps",
}


def study_sections(comparison: Comparison) -> tuple[StudySection, ...]:
    """One per study; none of a comparison without."""
    several = len(comparison.tuning) > 1
    return tuple(
        StudySection(
            title=f"Study seed {tuning.study.study_seed}" if several else "",
            protocol=protocol(tuning),
            gain=gain_table(tuning),
            budget=budget_table(tuning),
            settings=settings_table(tuning),
            lengths=lengths_table(tuning, comparison.primary),
            conclusions=tuple(
                (_ANSWERS[at.answer].format(at.length), at.conclusion) for at in tuning.lengths
            ),
        )
        for tuning in comparison.tuning
    )
