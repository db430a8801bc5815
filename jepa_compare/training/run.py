"""One run, from a config to a run directory, top to bottom.

`python -m jepa_compare.train` and `jepa-train` go through `entry`, which composes and checks the
configs of all jobs first and hands each one to `run`.
"""

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare import build
from jepa_compare.config.schema import Config
from jepa_compare.data.prefetch import PrefetchedBatches
from jepa_compare.evaluation.evaluator import Evaluator
from jepa_compare.evaluation.pictures.draw import draw_figures
from jepa_compare.evaluation.status import run_status
from jepa_compare.evaluation.stored import (
    evaluation_hash,
    floors_directory,
    floors_of,
    store_evaluation,
)
from jepa_compare.export import export
from jepa_compare.latents import Batch
from jepa_compare.models.jepa import JEPA
from jepa_compare.rng import generator, seed_global
from jepa_compare.runs.layout import FIGURES, METRICS
from jepa_compare.runs.writer import RunWriter, differing_keys
from jepa_compare.system.interrupts import Interrupted, Interrupts
from jepa_compare.system.memory import PeakMemory, keep_freed_memory
from jepa_compare.system.provenance import provenance
from jepa_compare.training import checkpoint
from jepa_compare.training.compiling import autocast, choose, compiled
from jepa_compare.training.finite import Diverged, FiniteWatch
from jepa_compare.training.gradients import clip, clip_groups, term_gradient_norms
from jepa_compare.training.objective import Objective, ObjectiveOutput
from jepa_compare.training.progress import RunProgress
from jepa_compare.training.tracking import Tracker

log = logging.getLogger(__name__)
SHOWN = ("eval/success_detour", "eval/success_door", "eval/probe_rmse", "eval/spread")


def run(config: Config, identity: dict[str, Any], directory: Path) -> None:
    """Train, evaluate and record one run in `directory`; continue it if it was cut."""
    steps = config.training.steps
    with (
        Interrupts() as interrupts,
        RunWriter(directory, identity, steps, on_wait=interrupts.raise_if_requested) as writer,
        Tracker(
            config.tracking,
            directory=directory,
            sweep=config.sweep or directory.parent.name,
            run_name=identity["run_name"],
            name=identity["name"],
            plain_config=identity["config"],
            interrupts=interrupts,
        ) as tracker,
    ):
        if writer.taken_over:
            log.warning("taking over from %s, which ended without a word", writer.taken_over)
        for retries_left in reversed(range(config.training.retries + 1)):
            try:
                attempt(Training(config, identity, writer, tracker, interrupts))
                break
            except Diverged:
                raise  # the same seed diverges again
            except Exception as error:
                if not retries_left:
                    raise
                log.warning(
                    "%s: %s; continuing from the last checkpoint", type(error).__name__, error
                )


def attempt(training: "Training") -> None:
    """Train and conclude, also when the training diverges."""
    try:
        training.run()
    except Diverged as error:
        training.finish(error)
        raise
    training.finish()


class Training:
    """The state of one run and its loop."""

    def __init__(
        self,
        config: Config,
        identity: dict[str, Any],
        writer: RunWriter,
        tracker: Tracker,
        interrupts: Interrupts,
    ) -> None:
        self.config, self.identity = config, identity
        self.writer, self.tracker, self.interrupts = writer, tracker, interrupts
        self.device = device = build.resolve_device(config.device)
        torch.set_num_threads(config.training.num_threads)
        if device.type == "cpu":
            keep_freed_memory()

        self.peak_memory = PeakMemory(device)
        self.source = build.build_source(config)
        self.batches = PrefetchedBatches(
            self.source,
            seed=config.seed,
            batch_size=config.training.batch_size,
            frames=config.training.frames,
            device=device,
        )
        model = build.build_model(config, self.source)
        aux_loss = build.build_aux_loss(config)
        helpers = build.build_helpers(config, self.source)
        self.parameters = {
            name: sum(p.numel() for p in part.parameters())
            for name, part in (
                ("encoder", model.encoder),
                ("predictor", model.predictor),
                ("aux_loss", aux_loss),
                ("helpers", helpers),
            )
        }
        self.objective = Objective(
            model=model, aux_loss=aux_loss, weight=config.aux_loss["weight"], helpers=helpers
        ).to(device)
        self.objective.train()  # and an evaluation leaves it so
        if device.type == "cuda":
            model.encoder.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        trained = [p for p in self.objective.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            trained,
            lr=config.training.lr,
            weight_decay=config.training.weight_decay,
            fused=True if device.type == "cuda" else None,
            foreach=None if device.type == "cuda" else True,
        )
        self.clipped_together = clip_groups(self.objective, config.training.grad_clip_scope)
        self.evaluator = Evaluator(self.source, config.evaluation, device)
        self.step = 0
        self.saved: int | None = None  # the newest checkpoint's step
        self.seconds = 0.0  # of training steps, over all attempts
        self.interim_seconds = 0.0  # of the evaluations between them
        self.compile_mode = config.training.compile  # a measured choice is kept when resuming
        self.alarms: list[dict[str, Any]] = []
        self.alarmed = False
        self.collapsed_at: int | None = None
        self.provenance = provenance(device)
        self.finite = FiniteWatch()
        self.restore()

    def restore(self) -> None:
        """Continue from the newest checkpoint, or start from nothing."""
        directory = self.writer.directory
        self.writer.begin(0)  # not where an attempt before this one, in this process, has failed
        if self.writer.fresh_start:
            checkpoint.remove(directory)
            self.writer.fresh_start = False  # a retry continues what this attempt leaves
        try:
            self.continue_from(checkpoint.load(directory, self.identity["hash"], self.device))
        except (checkpoint.ForeignCheckpoint, torch.OutOfMemoryError):
            raise
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            # As resumable as a foreign one: the next attempt must not start over and remove it.
            raise checkpoint.ForeignCheckpoint(
                f"{directory} cannot be continued ({type(error).__name__}:"
                f" {' '.join(str(error).split())}); remove its checkpoints to start over"
            ) from error

    def continue_from(self, state: dict[str, Any] | None) -> None:
        """Become what `save` has written, if all of it is there."""
        if state is not None and not self.writer.truncate_metrics(state["metrics_bytes"]):
            log.warning("%s has lost rows: starting over", self.writer.directory / METRICS)
            state = None
        if state is None:
            self.writer.truncate_metrics(0)
            return
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.interim_seconds = state.get("interim_seconds", 0.0)  # older files have it in "seconds"
        self.saved = self.step
        self.compile_mode = state["compile_mode"]
        self.alarms, self.alarmed = state["alarms"], state["alarmed"]
        self.collapsed_at = state["collapsed_at"]
        self.writer.begin(self.step)
        self.evaluator.recall(self.writer.read_metrics())
        log.info("continuing at step %d", self.step)
        for part in ("versions", "hardware", "git"):
            for change in differing_keys(
                state["provenance"][part], self.provenance[part], f"{part}."
            ):
                log.warning("the numbers may differ from an undisturbed run's: %s", change)

    def save(self) -> None:
        """Write a checkpoint of a state that is known to be finite."""
        self.finite.check()
        checkpoint.save(
            self.writer.directory,
            {
                "hash": self.identity["hash"],
                "step": self.step,  # with the seed, the state of every random stream
                "seed": self.config.seed,
                "objective": self.objective.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "metrics_bytes": self.writer.sync_metrics(),
                "alarms": self.alarms,
                "alarmed": self.alarmed,
                "collapsed_at": self.collapsed_at,
                "seconds": self.seconds,  # of the steps alone
                "interim_seconds": self.interim_seconds,
                "compile_mode": self.compile_mode,
                "provenance": self.provenance,
            },
        )
        self.saved = self.step

    def run(self) -> None:
        """The loop. One step, in the order in which it happens."""
        settings, evaluation = self.config.training, self.config.evaluation
        if self.compile_mode == "auto":
            with self.interrupts.at_once():
                left = settings.steps - self.step
                self.compile_mode = choose(self.objective, self.batch(0), left, settings.precision)
        forward = compiled(self.objective, self.compile_mode)
        counts = ", ".join(f"{name} {count:,}" for name, count in self.parameters.items())
        log.info("%s on %s; parameters: %s", self.identity["run_name"], self.device, counts)
        name = self.identity["run_name"]
        with self.interrupts.soon(), RunProgress(name, settings.steps, self.step) as progress:
            while self.step < settings.steps and not self.gives_up:
                started, looked = time.perf_counter(), self.interim_seconds
                step = self.step
                row: dict[str, Any] = {"step": step}
                if step % evaluation.interval == 0:
                    row |= self.interim_evaluation(self.evaluator.quick)
                elif step % evaluation.collapse_interval == 0:
                    row |= self.interim_evaluation(self.evaluator.collapse)

                measure_gradients = step % settings.gradient_interval == 0
                terms = self.optimisation_step(
                    self.objective if measure_gradients else forward, measure_gradients
                )
                self.step = self.writer.step = step + 1

                if step % settings.log_interval == 0 or len(row) > 1 or measure_gradients:
                    row |= dict(zip(terms, torch.stack(list(terms.values())).tolist(), strict=True))
                    row["train/lr"] = learning_rate(step, self.config)
                    self.log_row(row)
                progress.update(self.step, row if len(row) > 1 else None)
                self.seconds += time.perf_counter() - started - (self.interim_seconds - looked)

                leaving = self.interrupts.requested is not None
                if self.step % settings.checkpoint_interval == 0 or leaving:
                    self.save()
                if leaving:  # and not a signal of just now, which finds a step unsaved
                    self.interrupts.raise_if_requested()
            if self.gives_up:
                log.warning("stopping: training.on_collapse=stop")
            if self.saved != self.step:
                self.save()

    @property
    def gives_up(self) -> bool:
        """Whether the run has collapsed and is not to go on; true of a resumed one as well."""
        return self.collapsed_at is not None and self.config.training.on_collapse == "stop"

    def interim_evaluation(self, evaluate: Callable[[JEPA], dict[str, float]]) -> dict[str, float]:
        """Evaluate between two steps. A signal cuts it short, and the weights are kept."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # what it still has to do is training
        started = time.perf_counter()
        try:
            with self.interrupts.at_once():
                return evaluate(self.objective.model)
        except Interrupted:
            self.save()
            raise
        finally:
            self.interim_seconds += time.perf_counter() - started

    def optimisation_step(
        self, forward: Callable[[Batch], Any], measure: bool
    ) -> dict[str, Float[Tensor, ""]]:
        """One update of the weights; returns scalars on the device, without waiting for them."""
        settings, step, seed = self.config.training, self.step, self.config.seed
        progress = step / settings.steps
        seed_global(seed, step, self.device)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, self.config)

        batch = self.batch(step)
        self.objective.aux_loss.prepare(step, progress, generator(seed, "aux_loss", step))
        with autocast(settings.precision, self.device):
            output: ObjectiveOutput = forward(batch)
        loss = output.total

        norms = term_gradient_norms(output, self.objective.model.encoder) if measure else {}
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        terms = {
            "train/prediction": output.prediction.detach(),
            **output.terms,
            "train/aux": output.aux.detach(),
            "train/loss": loss.detach(),
            "train/gradient_norm": clip(self.clipped_together, settings.grad_clip),
        }
        self.finite.note(step, terms)
        self.optimizer.step()
        self.objective.on_step_end((step + 1) / settings.steps)
        return terms | norms

    def batch(self, step: int) -> Batch:
        """The training batch of a step, a function of (seed, step), without labels and reward."""
        return self.batches.batch(step).for_training()

    def log_row(self, row: dict[str, Any]) -> None:
        """Record a row, stop if it is not finite, say what in it looks like a collapse."""
        step = row["step"]
        self.writer.append_metrics(row)
        self.tracker.log(row, step)
        self.finite.check()
        terms = {key[4:]: value for key, value in row.items() if key.startswith("aux/")}
        messages = self.objective.aux_loss.alarms(terms) if terms else []
        if messages and not self.alarmed:  # once per episode, not once per row
            self.alarms += [{"step": step, "message": message} for message in messages]
            log.warning("step %d: %s", step, "; ".join(messages))
        self.alarmed = bool(messages) if terms else self.alarmed
        collapse = self.evaluator.collapse_warning(row) if "eval/spread" in row else None
        if collapse is not None:
            self.alarms.append({"step": step, "message": collapse})
            log.warning("%s", collapse)
            self.collapsed_at = step if self.collapsed_at is None else self.collapsed_at

    def finish(self, diverged: Diverged | None = None) -> None:
        """Evaluate what was trained, export it, and write the summary, which ends the run."""
        config, directory = self.config, self.writer.directory
        model, settings = self.objective.model, self.config.evaluation
        started = time.perf_counter()
        with self.interrupts.at_once():  # nothing below changes what a resumed run needs
            floors = floors_of(config, self.source, self.evaluator, floors_directory(directory))
            summary: dict[str, Any] = {
                "status": "diverged",
                "diverged": None if diverged is None else vars(diverged),
                "collapsed_at": self.collapsed_at,
                "alarms": self.alarms,
                "metrics": {},
                "evaluation": None,
                "untrained": floors.untrained,
                "floors": floors.keys,
            }
            if diverged is None:
                export(directory, model)
                evaluation = self.evaluator.evaluate(model)
                store_evaluation(directory, evaluation, floors, settings, self.step)
                if settings.figures.enabled:
                    draw_figures(self.evaluator, model, evaluation, directory / FIGURES)
                final = {"step": self.step, **evaluation.metrics}
                self.writer.append_metrics(final)
                self.tracker.log(final, self.step)
                summary["status"] = run_status(evaluation.metrics, floors.untrained)
                summary["metrics"] = evaluation.metrics
                summary["evaluation"] = evaluation_hash(settings)
        seconds = {
            "train": self.seconds,
            "interim_evaluations": self.interim_seconds,
            "evaluation": time.perf_counter() - started,
        }
        frames = self.step * config.training.batch_size * config.training.frames
        summary |= {
            "steps": self.step,
            "parameters": self.parameters,
            "compile": self.compile_mode,
            "seconds": {**seconds, "total": sum(seconds.values())},
            "samples_per_second": frames / self.seconds if self.seconds else None,
            "peak_memory_bytes": self.peak_memory.bytes(),
            **self.provenance,
        }
        self.writer.write_summary(summary)
        self.tracker.summarise({"status": summary["status"], **summary["metrics"]})
        shown = [f"{k[5:]} {v:.3g}" for k, v in summary["metrics"].items() if k in SHOWN and v]
        log.info("%s: %s; %s", self.identity["run_name"], summary["status"], ", ".join(shown))


def learning_rate(step: int, config: Config) -> float:
    """Linear warm-up, then a cosine from `lr` down to `final_lr_fraction * lr`."""
    settings = config.training
    if step < settings.warmup_steps:
        return settings.lr * (step + 1) / settings.warmup_steps
    progress = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return settings.lr * (settings.final_lr_fraction + (1 - settings.final_lr_fraction) * cosine)
