"""What a study may be told: how many runs of each stage, from which seeds. No defaults, no torch.

The values are in `conf/tuning/`.
"""

from dataclasses import dataclass, fields
from typing import Any

from jepa_compare.checks import require
from jepa_compare.config.bounds import at_least, one_of, satisfying


@dataclass(kw_only=True, slots=True)
class FirstSeeds:
    """Of each stage, the first training seed, and the seed of its evaluations."""

    trials: int = at_least(0)
    """Trial k has seed `trials` + k."""
    confirm: int = at_least(0)
    report: int = at_least(0)


@dataclass(kw_only=True, slots=True)
class TuningSettings:
    """`tuning`: a study, which tunes every loss alike (`hydra/sweeper=tune`)."""

    trials: int = at_least(1)
    """Settings that are tried of each loss, on one seed each."""
    confirm_top: int = at_least(1)
    """How many of the best trials are tried again."""
    confirm_seeds: int = at_least(1)
    """On how many further seeds each; the best mean over them is selected."""
    report_seeds: int = at_least(1)
    """Fresh seeds of the selected settings, which are compared."""
    default_seeds: int = at_least(0)
    """The first of these, on which the loss as it is shipped is run too, and the selected settings
    at each further length."""
    report_steps: list[int] = satisfying(
        lambda steps: 1 in steps and min(steps) > 0 and len(set(steps)) == len(steps),
        "different multiples of training.steps, with 1 among them",
    )
    """Lengths of training in the report, in multiples of training.steps."""
    sampler: str = one_of("sobol")
    """Where the settings of the trials come from: a scrambled Sobol sequence."""
    study_seed: int = at_least(0)
    """Of the sampler; it also moves the first seeds, so that nothing of another study is used."""
    first_seed: FirstSeeds
    search: dict[str, Any]
    """Ranges that all losses share, by key of the configuration; see `sweep.tuning.space`."""

    def seeds(self) -> dict[str, range]:
        """The training seeds of each stage."""
        sizes = {
            "trials": self.trials,
            "confirm": self.confirm_seeds,
            "report": max(self.report_seeds, self.default_seeds),
        }
        shift = self.study_seed * STUDY_SHIFT
        first = {
            item.name: getattr(self.first_seed, item.name) + shift for item in fields(FirstSeeds)
        }
        return {stage: range(first[stage], first[stage] + size) for stage, size in sizes.items()}

    def check_together(self) -> None:
        """Raise RangeError unless the stages fit, and share no seed."""
        fits = self.confirm_top <= self.trials
        require(fits, "confirm_top", self.confirm_top, f"at most tuning.trials={self.trials}")
        seeds = self.seeds()
        for stage, other in (("confirm", "trials"), ("report", "trials"), ("report", "confirm")):
            mine, others = seeds[stage], seeds[other]
            allowed = f"such that its seeds {_text(mine)} meet none of {other}, {_text(others)}"
            value = getattr(self.first_seed, stage)
            apart = mine.stop <= others.start or others.stop <= mine.start
            require(apart, f"first_seed.{stage}", value, allowed)


STUDY_SHIFT = 10_000
"""Between the first seeds of two studies."""


def _text(seeds: range) -> str:
    return f"{seeds.start} to {seeds.stop - 1}"
