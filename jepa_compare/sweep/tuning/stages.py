"""The stages of a study as jobs: which runs are to be made now, as the directories say."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jepa_compare.checks import ConfigError
from jepa_compare.config.compose import composition
from jepa_compare.runs.layout import CONFIG, STUDY
from jepa_compare.runs.records import Stage, Study
from jepa_compare.runs.study_records import StudyFile, StudyLoss
from jepa_compare.runs.writer import read_config, read_summary
from jepa_compare.sweep.job import Job
from jepa_compare.sweep.processes import command

Planned = tuple[list[str], Study]
"""The overrides of a run, and what it is for."""


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """A study and how its runs are composed."""

    study: StudyFile
    fixed: list[str]
    """Overrides that all runs share."""
    steps: int
    """`training.steps` of the study."""
    compose: Callable[[list[str]], Job]
    """From the overrides of one run, within a composition."""
    config_dir: str | None
    """A user's own, as in `composition`."""

    def jobs(self, planned: Sequence[Planned]) -> list[Job]:
        """Compose and check runs."""
        jobs: list[Job] = []
        with composition(self.config_dir):
            for overrides, study in planned:
                job = self.compose(overrides)
                jobs.append(replace(job, identity=replace(job.identity, study=study)))
        return jobs

    def trials(self) -> Iterator[Planned]:
        """The first stage, trial by trial: every loss on the same seed."""
        for trial in range(self.study.trials):
            for loss in self.study.losses.values():
                yield self._run(loss, "trials", trial, trial)

    def following(self, directory: Path) -> Iterator[Planned]:
        """The runs of the stages after the first that can be planned: whose stage before is
        complete for every loss, by the runs in `directory`."""
        from jepa_compare.comparison.loading.load import load_runs
        from jepa_compare.comparison.tuning.selection import select

        if not (directory / STUDY).exists():
            return
        selections = select(self.study, load_runs(directory))
        if not all(selection.ranked for selection in selections.values()):
            return
        for seed in range(self.study.confirm_seeds):
            for name, loss in self.study.losses.items():
                for trial in selections[name].confirmed:
                    yield self._run(loss, "confirm", trial, seed)
        if any(selection.selected is None for selection in selections.values()):
            return
        for length in self.study.report_steps:
            seeds = self.study.report_seeds if length == 1 else self.study.default_seeds
            for seed in range(seeds):
                for name, loss in self.study.losses.items():
                    yield self._run(loss, "report", selections[name].selected, seed, length)
        for seed in range(self.study.default_seeds):
            for loss in self.study.losses.values():
                yield self._run(loss, "report", None, seed)

    def not_yet_planned(self, jobs: Sequence[Job]) -> list[int]:
        """The lengths of all runs that are to follow `jobs`, in multiples of the study's."""
        study = self.study
        each = [1] * (study.confirm_top * study.confirm_seeds + study.default_seeds)
        for length in study.report_steps:
            each += [length] * (study.report_seeds if length == 1 else study.default_seeds)
        planned = len(jobs) - study.trials * len(study.losses)
        return (each * len(study.losses))[planned:]

    def _run(
        self, loss: StudyLoss, stage: Stage, trial: int | None, seed: int, length: int = 1
    ) -> Planned:
        first = self.study.first_seed[stage]
        overrides = [*self.fixed, f"aux_loss={loss.option}", f"seed={first + seed}"]
        overrides.append(f"evaluation.seed={first}")
        if trial is not None:
            overrides += [f"{key}={values[trial]!r}" for key, values in loss.values.items()]
        if length > 1:
            overrides.append(f"training.steps={self.steps * length}")
        if stage != "report":
            overrides.append("evaluation.figures.enabled=false")  # nobody looks at them
        study = Study(id=self.study.id, stage=stage, trial=trial, length=length)
        return overrides, study


def require_same_use(job: Job) -> None:
    """Raise ConfigError if the run is there and not for the same: no part of the study, or of
    another stage."""
    stored = read_config(job.directory)
    if stored is None or stored.hash != job.identity.hash:
        return
    if stored.study != job.identity.study:
        raise ConfigError(
            f"{job.directory / CONFIG} is of a run that is no part of this study; choose another"
            " sweep="
        )


def settled(job: Job) -> bool:
    """Whether nothing is left to do of a study's run: a diverged one counts as it is, and would
    diverge again."""
    if command(job) is None:
        return True
    summary = read_summary(job.directory)
    return summary is not None and summary.status == "diverged" and summary.run == job.identity.hash


def describe(study: StudyFile) -> str:
    """One line on what a study will do, for each loss."""
    sizes = ", ".join(f"{name} {len(loss.space)}" for name, loss in study.losses.items())
    longer = [length for length in study.report_steps if length != 1]
    parts = [
        f"{study.trials} trials",
        f"{study.confirm_top} x {study.confirm_seeds} to confirm",
        f"{study.report_seeds} to report",
        f"{study.default_seeds} as shipped",
        *(f"{study.default_seeds} at {length} times the steps" for length in longer),
    ]
    losses = "loss" if len(study.losses) == 1 else "losses"
    count = f"{len(study.losses)} {losses} (parameters searched: {sizes})"
    return f"study {study.id} of {count}, each {', '.join(parts)}"
