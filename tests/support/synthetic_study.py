"""A study with known truth, written as the sweep of `hydra/sweeper=tune` leaves it on disk.

    path = SyntheticStudy(path=tmp_path / "answer").write()
    comparison = compare(load_runs(path))

Each loss has a peak over its settings; a weight below a fifth of its range collapses. The selection
between the stages is the real one.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from jepa_compare.comparison import load_runs
from jepa_compare.comparison.tuning.records import Selection
from jepa_compare.comparison.tuning.results import Parameter
from jepa_compare.comparison.tuning.selection import select
from jepa_compare.runs import layout
from jepa_compare.runs.codec import encode
from jepa_compare.runs.records import SCHEMA_VERSION, Stage, Study
from jepa_compare.runs.study_records import SearchRange, StudyFile, StudyLoss
from jepa_compare.system import files
from tests.support.synthetic import DEFAULT_LOSSES, Loss, write_run

FIRST_SEED: dict[Stage, int] = {"trials": 1000, "confirm": 2000, "report": 3000}
LR = SearchRange(low=1e-4, high=1e-2, scale="log", default=1e-3, shared=True)
PEAKS = {"none": 0.02, "vicreg": 0.9, "barlow_twins": 0.88, "dino": 0.4, "sigreg": 0.35}
COLLAPSES_BELOW = 0.2  # of the range of the weight


def search_of(loss: Loss) -> dict[str, SearchRange]:
    """The learning rate for all; the weight; for DINO a decay, which is near 1."""
    space = {"training.lr": LR}
    if loss.weight:
        low, high = loss.weight / 10, loss.weight * 10
        space["aux_loss.weight"] = SearchRange(
            low=low, high=high, scale="log", default=loss.weight, shared=False
        )
    if loss.name == "dino":
        space["aux_loss.center_decay"] = SearchRange(
            low=0.5, high=0.99, scale="log_one_minus", default=0.9, shared=False
        )
    return space


def value_at(searched: SearchRange, place: float) -> float:
    """The inverse of `Parameter.place`."""
    low, high = searched.low, searched.high
    if searched.scale == "log":
        return low * (high / low) ** place
    if searched.scale == "log_one_minus":
        return 1 - (1 - low) * ((1 - high) / (1 - low)) ** place
    return low + place * (high - low)


@dataclass(frozen=True, kw_only=True)
class SyntheticStudy:
    """The runs of a study of `losses`, all stages complete unless `last` says otherwise."""

    path: Path
    losses: tuple[str, ...] = ("none", "vicreg", "dino")
    trials: int = 8
    confirm_top: int = 2
    confirm_seeds: int = 2
    report_seeds: int = 5
    default_seeds: int = 4
    report_steps: tuple[int, ...] = (1, 3)
    study_seed: int = 0
    last: Stage = "report"
    tasks: int = 100

    def write(self) -> Path:
        """Write it; returns its path."""
        study = self.record()
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / layout.STUDY).write_text(files.to_json(encode(study)))
        for name in self.losses:
            for trial in range(self.trials):
                self._write(study, name, "trials", trial, study.first_seed["trials"] + trial)
        if self.last != "trials":
            self._confirm(study)
        if self.last == "report":
            self._report(study)
        return self.path

    def record(self) -> StudyFile:
        """study.json."""
        rng = np.random.default_rng(self.study_seed)
        losses: dict[str, StudyLoss] = {}
        for name in self.losses:
            space = search_of(DEFAULT_LOSSES[name])
            values = {
                key: [value_at(searched, place) for place in rng.random(self.trials)]
                for key, searched in space.items()
            }
            losses[name] = StudyLoss(option=name, space=space, values=values, config={})
        offset = 10_000 * self.study_seed
        return StudyFile(
            schema_version=SCHEMA_VERSION,
            id=f"{self.study_seed:08x}",
            metric="eval/success_detour",
            sampler="sobol",
            study_seed=self.study_seed,
            first_seed={stage: seed + offset for stage, seed in FIRST_SEED.items()},
            trials=self.trials,
            confirm_top=self.confirm_top,
            confirm_seeds=self.confirm_seeds,
            report_seeds=self.report_seeds,
            default_seeds=self.default_seeds,
            report_steps=list(self.report_steps),
            losses=losses,
            versions={},
        )

    def selections(self, study: StudyFile) -> dict[str, Selection]:
        """What the runs on disk select."""
        return select(study, load_runs(self.path))

    def _confirm(self, study: StudyFile) -> None:
        for name, selection in self.selections(study).items():
            for trial in selection.confirmed:
                for k in range(self.confirm_seeds):
                    self._write(study, name, "confirm", trial, study.first_seed["confirm"] + k)

    def _report(self, study: StudyFile) -> None:
        first = study.first_seed["report"]
        for name, selection in self.selections(study).items():
            for k in range(self.report_seeds):
                self._write(study, name, "report", selection.selected, first + k)
            for k in range(self.default_seeds):
                self._write(study, name, "report", None, first + k)
                for length in self.report_steps:
                    if length != 1:
                        self._write(study, name, "report", selection.selected, first + k, length)

    def _write(
        self,
        study: StudyFile,
        name: str,
        stage: Stage,
        trial: int | None,
        seed: int,
        length: int = 1,
    ) -> None:
        loss, space = DEFAULT_LOSSES[name], study.losses[name].space
        settings = (
            {}
            if trial is None
            else {key: of_trials[trial] for key, of_trials in study.losses[name].values.items()}
        )
        places = {
            key: Parameter(key=key, searched=searched, selected=None).place(
                settings.get(key, searched.default)
            )
            for key, searched in space.items()
        }
        collapsed = places.get("aux_loss.weight", 0.5) < COLLAPSES_BELOW
        distance = sum((place - 0.6) ** 2 for place in places.values())
        rate = 0.02 if collapsed else PEAKS[name] * math.exp(-distance / 0.5)
        status = "complete_collapse" if collapsed or name == "none" else "healthy"
        overrides = {**settings, **({"training.steps": 600 * length} if length != 1 else {})}
        write_run(
            self.path,
            loss=replace(loss, success={**loss.success, "detour": rate}),
            seed=seed,
            status=status,
            overrides=overrides,
            changes={"evaluation.seed": study.first_seed[stage]},
            tasks=self.tasks,
            rows=4,
            study=Study(id=study.id, stage=stage, trial=trial, length=length),
        )
