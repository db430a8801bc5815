"""One run, from a config to a run directory, top to bottom.

`python -m jepa_compare.train` and `jepa-train` go through `entry`, which composes and checks the
configs of all jobs first and hands each one to `run`.
"""

if __name__ == "__main__":  # before torch is imported: --help takes half a second without it
    from jepa_compare.entry import main

    raise SystemExit(main())

import logging
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepa_compare import build, checkpoint, run_dir
from jepa_compare.compiling import choose, compiled
from jepa_compare.config import Config
from jepa_compare.evaluation.evaluate import Evaluator
from jepa_compare.export import export
from jepa_compare.interrupts import Interrupts
from jepa_compare.latents import Batch
from jepa_compare.objective import Objective, ObjectiveOutput
from jepa_compare.progress import RunProgress
from jepa_compare.provenance import provenance
from jepa_compare.rng import derive_seed, generator
from jepa_compare.run_writer import RunWriter
from jepa_compare.tracking import Tracker

log = logging.getLogger(__name__)


class Diverged(RuntimeError):
    """A value stopped being finite."""

    def __init__(self, step: int, term: str) -> None:
        super().__init__(
            f"{term} was not finite at step {step}; the last good checkpoint is kept. Lower"
            " training.lr or aux_loss.weight, or use training.precision=float32"
        )
        self.step, self.term = step, term


def run(config: Config, identity: dict[str, Any], directory: Path) -> None:
    """Train, evaluate and record one run in `directory`; continue it if it was cut."""
    steps = config.training.steps
    with (
        Interrupts() as interrupts,
        RunWriter(directory, identity, steps) as writer,
        Tracker(
            config.tracking,
            directory=directory,
            sweep=config.sweep or directory.parent.name,
            run_name=identity["run_name"],
            name=identity["name"],
            plain_config=identity["config"],
        ) as tracker,
    ):
        if writer.taken_over:
            log.warning("taking over from %s, which ended without a word", writer.taken_over)
        training = Training(config, identity, writer, tracker, interrupts)
        try:
            training.run()
        except Diverged as error:
            training.write_summary("diverged", diverged={"step": error.step, "term": error.term})
            raise
        training.evaluate()


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

        self.world = build.build_world(config)
        model = build.build_model(config, self.world)
        aux_loss = build.build_aux_loss(config)
        helpers = build.build_helpers(config, self.world)
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
        if device.type == "cuda":
            model.encoder.to(memory_format=torch.channels_last)
        trained = [p for p in self.objective.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            trained,
            lr=config.training.lr,
            weight_decay=config.training.weight_decay,
            fused=True if device.type == "cuda" else None,
        )
        self.evaluator = Evaluator(self.world, config.evaluation, device)
        self.step = 0
        self.seconds = 0.0
        self.compile_mode = config.training.compile  # a measured choice is kept when resuming
        self.alarms: list[dict[str, Any]] = []
        self.collapsed_at: int | None = None
        # (step, index of the term) of the first value that was not finite; -1: none so far.
        self.first_bad = torch.full((2,), -1, dtype=torch.int64, device=device)
        self.restore()

    def restore(self) -> None:
        """Continue from the newest checkpoint, or start from nothing."""
        directory = self.writer.directory
        state = None
        if self.writer.fresh_start:
            checkpoint.remove(directory)
        else:
            state = checkpoint.load(directory, self.identity["hash"], self.device)
        self.writer.truncate_metrics(0 if state is None else state["metrics_bytes"])
        if state is None:
            return
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.compile_mode = state["compile_mode"]
        self.alarms, self.collapsed_at = state["alarms"], state["collapsed_at"]
        log.info("continuing at step %d", self.step)

    def save(self) -> None:
        """Write a checkpoint of a state that is known to be finite."""
        self.raise_if_diverged()
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
                "collapsed_at": self.collapsed_at,
                "seconds": self.seconds,
                "compile_mode": self.compile_mode,
            },
        )

    def run(self) -> None:
        """The loop. One step, in the order in which it happens."""
        settings, evaluation = self.config.training, self.config.evaluation
        if self.compile_mode == "auto":
            self.compile_mode = choose(self.objective, self.batch(0), settings.steps - self.step)
        forward = compiled(self.objective, self.compile_mode)
        counts = ", ".join(f"{name} {count:,}" for name, count in self.parameters.items())
        log.info("%s on %s; parameters: %s", self.identity["run_name"], self.device, counts)
        with RunProgress(self.identity["run_name"], settings.steps, self.step) as progress:
            while self.step < settings.steps:
                started = time.perf_counter()
                step = self.step
                row: dict[str, Any] = {"step": step}
                if step % evaluation.interval == 0:
                    row |= self.evaluator.quick(self.objective.model)
                elif step % evaluation.collapse_interval == 0:
                    row |= self.evaluator.collapse(self.objective.model)

                measure_gradients = step % settings.gradient_interval == 0
                terms = self.optimisation_step(
                    self.objective if measure_gradients else forward, measure_gradients
                )
                self.step = self.writer.step = step + 1

                if step % settings.log_interval == 0 or len(row) > 1 or measure_gradients:
                    row |= dict(zip(terms, torch.stack(list(terms.values())).tolist(), strict=True))
                    row["train/lr"] = learning_rate(step, self.config)
                    self.log_row(row)
                    if self.collapsed_at is not None and settings.on_collapse == "stop":
                        log.warning("stopping: training.on_collapse=stop")
                        break
                progress.update(self.step, row if len(row) > 1 else None)
                self.seconds += time.perf_counter() - started

                leaving = self.interrupts.requested is not None
                if self.step % settings.checkpoint_interval == 0 or leaving:
                    self.save()
                self.interrupts.leave_if_requested()
        self.save()

    def optimisation_step(
        self, forward: Callable[[Batch], Any], measure: bool
    ) -> dict[str, Float[Tensor, ""]]:
        """One update of the weights; returns scalars on the device, without waiting for them."""
        settings, step, seed = self.config.training, self.step, self.config.seed
        progress = step / settings.steps
        torch.manual_seed(derive_seed(seed, "global", step))  # for user code that draws globally
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, self.config)

        batch = self.batch(step)
        self.objective.train()
        self.objective.aux_loss.prepare(step, progress, generator(seed, "aux_loss", step))
        with autocast(settings.precision, self.device):
            output: ObjectiveOutput = forward(batch)
        loss = output.total

        pulls = self.gradient_norms(output) if measure else {}
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        terms = {
            "train/prediction": output.prediction.detach(),
            **output.terms,
            "train/aux": output.aux.detach(),
            "train/loss": loss.detach(),
            "train/gradient_norm": self.clip_gradients(),
        }
        self.note_non_finite(step, terms)
        self.optimizer.step()
        self.objective.on_step_end((step + 1) / settings.steps)
        return terms | pulls

    def batch(self, step: int) -> Batch:
        """The training batch of a step, a function of (seed, step); the true state stays behind."""
        settings = self.config.training
        source = generator(self.config.seed, "data", step)
        batch = self.world.sample(source, settings.batch_size, settings.frames, self.device)
        return batch.without_state()

    def gradient_norms(self, output: ObjectiveOutput) -> dict[str, Float[Tensor, ""]]:
        """Norms, at the encoder, of the gradients of prediction and auxiliary loss: who pulls."""
        weights = [p for p in self.objective.model.encoder.parameters() if p.requires_grad]
        norms = {}
        for name, part in (("prediction", output.prediction), ("aux", output.aux)):
            if part.requires_grad:
                grads = torch.autograd.grad(part, weights, retain_graph=True, allow_unused=True)
                norm = nn.utils.get_total_norm([g for g in grads if g is not None])
                norms[f"train/gradient_{name}"] = norm.to(self.device)
        return norms

    def clip_gradients(self) -> Float[Tensor, ""]:
        """Clip in place; returns the norm over all parameters before clipping."""
        norms = [
            nn.utils.clip_grad_norm_(group, self.config.training.grad_clip)
            for group in self.clip_groups()
        ]
        return torch.linalg.vector_norm(torch.stack(norms))

    def clip_groups(self) -> Iterator[list[nn.Parameter]]:
        """The parameters that share one gradient norm; each parameter is in one group."""
        model = self.objective.model
        scope = self.config.training.grad_clip_scope
        modules = [model.encoder, model.predictor, self.objective]
        seen: set[int] = set()
        for module in modules if scope == "module" else [self.objective]:
            group = [p for p in module.parameters() if p.grad is not None and id(p) not in seen]
            seen |= {id(p) for p in group}
            if group:
                yield group

    def note_non_finite(self, step: int, terms: dict[str, Float[Tensor, ""]]) -> None:
        """Remember the first non-finite term on the device; nothing waits for the answer.

        The terms come in the order of their computation, so the first one is the culprit.
        """
        self.term_names = list(terms)
        bad = ~torch.isfinite(torch.stack(list(terms.values())))
        index = bad.to(torch.int64).argmax()
        here = torch.stack([torch.full_like(index, step), index])
        is_first = bad.any() & (self.first_bad[0] < 0)
        self.first_bad = torch.where(is_first, here, self.first_bad)

    def raise_if_diverged(self) -> None:
        """Wait for the device and raise Diverged if anything was not finite so far."""
        step, index = self.first_bad.tolist()
        if step >= 0:
            raise Diverged(step, self.term_names[index])

    def log_row(self, row: dict[str, Any]) -> None:
        """Record a row, say what in it looks like a collapse, stop if it is not finite."""
        step = row["step"]
        self.writer.append_metrics(row)
        self.tracker.log(row, step)
        self.raise_if_diverged()
        messages = self.objective.aux_loss.alarms(
            {
                key.removeprefix("aux/"): value
                for key, value in row.items()
                if key.startswith("aux/")
            }
        )
        warning = self.evaluator.collapse_warning(row) if "eval/spread" in row else None
        if warning is not None:
            messages.append(warning)
            self.collapsed_at = step if self.collapsed_at is None else self.collapsed_at
        known = {alarm["message"] for alarm in self.alarms}
        for message in messages:
            if message not in known:
                log.warning("step %d: %s", step, message)
                self.alarms.append({"step": step, "message": message})

    def evaluate(self) -> None:
        """Evaluate what was trained, export it, and write the summary, which ends the run."""

    def write_summary(self, status: run_dir.Verdict, **details: Any) -> None:
        """The last file of a run."""


def learning_rate(step: int, config: Config) -> float:
    """Linear warm-up, then a cosine from `lr` down to `final_lr_fraction * lr`."""
    settings = config.training
    if step < settings.warmup_steps:
        return settings.lr * (step + 1) / settings.warmup_steps
    progress = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return settings.lr * (settings.final_lr_fraction + (1 - settings.final_lr_fraction) * cosine)


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """bfloat16 autocast where it is asked for, or where `auto` finds a GPU."""
    enabled = precision == "bfloat16" or (precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)
