"""Tuning in words: what other lengths of training make of the conclusion, and warnings."""

import math
from collections.abc import Iterable, Sequence

from jepa_compare.comparison.conclusion import listed
from jepa_compare.comparison.tuning.results import Tuning


def with_lengths(sentences: Sequence[str], tunings: Iterable[Tuning]) -> tuple[str, ...]:
    """The sentences of a conclusion with what they are worth at other lengths of training: an
    answer that turns over with the length is no answer, which the first sentence says."""
    first, *rest = sentences
    after = []
    for at in (at for tuning in tunings for at in tuning.lengths):
        times = f"{at.length} times the steps"
        if at.answer == "turns over":
            first = (
                f"The answer turns over with the length of training: at {times}, {at.conclusion}"
                f" At the study's own length: {first}"
            )
        elif at.answer == "holds":
            after.append(f"It holds at {times}: {at.conclusion}")
        else:
            after.append(f"Whether it holds at {times} is open: {at.conclusion}")
    return (first, *after, *rest)


def turns_over(tunings: Iterable[Tuning]) -> bool:
    """Whether an answer turned over, so that no row is the best."""
    return any(at.answer == "turns over" for tuning in tunings for at in tuning.lengths)


def about_studies(tunings: Sequence[Tuning]) -> tuple[str, ...]:
    """What a reader must know of the studies behind a comparison, one sentence each."""
    warnings: list[str] = []
    for tuning in tunings:
        trials = {
            loss.loss: sum(math.isfinite(t.score) for t in loss.trials) for loss in tuning.losses
        }
        if len({*trials.values()}) > 1:
            counts = listed([f"{loss} {n}" for loss, n in trials.items()])
            warnings.append(f"Trials with a score differ between losses: {counts}.")
        if tuning.edges:
            warnings.append(
                f"Selected in the outer tenth of the range that was searched, so better values may"
                f" lie beyond: {listed(list(tuning.edges))}."
            )
    return tuple(warnings)
