"""The state of a run: built from a config, kept in a checkpoint, restored from one."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from jepa_compare import build
from jepa_compare.config.schema import Config
from jepa_compare.data.prefetch import PrefetchedBatches
from jepa_compare.evaluation.evaluator import Evaluator
from jepa_compare.latents import Batch
from jepa_compare.runs.codec import encode
from jepa_compare.runs.records import Alarm, ConfigFile
from jepa_compare.runs.writer import RunWriter
from jepa_compare.system.interrupts import Interrupts
from jepa_compare.system.memory import PeakMemory, keep_freed_memory
from jepa_compare.system.provenance import provenance
from jepa_compare.training.compiling import choose, compiled
from jepa_compare.training.finite import FiniteWatch
from jepa_compare.training.gradients import clip_groups
from jepa_compare.training.objective import Objective
from jepa_compare.training.tracking import Tracker


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """What a run talks to while it trains."""

    identity: ConfigFile
    """The content of config.json."""
    writer: RunWriter
    tracker: Tracker
    interrupts: Interrupts
    clock: Callable[[], float] = time.perf_counter
    """Seconds since any moment."""


@dataclass(kw_only=True)
class TrainingState:
    """What a training step reads and changes, and what a run remembers of its steps."""

    config: Config
    device: torch.device
    batches: PrefetchedBatches
    objective: Objective
    forward: Callable[[Batch], Any]
    """The objective as most steps call it: itself, or compiled."""
    optimizer: torch.optim.Optimizer
    clipped_together: list[list[nn.Parameter]]
    """The parameters that share one gradient norm."""
    clipped_steps: Int[Tensor, ""]
    """Steps with a gradient that was clipped, counted on the device: no step waits for it."""
    evaluator: Evaluator
    peak_memory: PeakMemory
    provenance: dict[str, Any]
    compile_mode: str
    """`training.compile`; once measured, what `auto` has chosen."""
    finite: FiniteWatch = field(default_factory=FiniteWatch)
    step: int = 0
    """Finished optimiser steps; with the seed, the state of every random stream."""
    seconds: float = 0.0
    """Of training steps, over all attempts at the run."""
    interim_seconds: float = 0.0
    """Of the evaluations between them."""
    alarms: list[Alarm] = field(default_factory=list)
    alarmed: bool = False
    """Whether the newest row with terms of the loss had an alarm."""
    collapsed_at: int | None = None
    """The step of the first warning that the run collapses."""
    saved_at: int | None = None
    """The step of the newest checkpoint."""

    @classmethod
    def build(cls, config: Config) -> "TrainingState":
        """The state before the first step; nothing of the run's directory is touched.

        Sets the process's threads and, on a CPU, how its C library keeps freed memory. Raises
        ConfigError for a config that cannot run here.
        """
        device = build.resolve_device(config.device)
        settings, cuda = config.training, device.type == "cuda"
        torch.set_num_threads(settings.num_threads)
        if not cuda:
            keep_freed_memory()
        peak_memory = PeakMemory(device)
        source = build.build_source(config)
        objective = Objective(
            model=build.build_model(config, source),
            aux_loss=build.build_aux_loss(config),
            weight=config.aux_loss["weight"],
            helpers=build.build_helpers(config, source),
        ).to(device)
        objective.train()  # and an evaluation leaves it so
        if cuda:
            encoder = objective.model.encoder
            encoder.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        return cls(
            config=config,
            device=device,
            batches=PrefetchedBatches(
                source,
                seed=config.seed,
                batch_size=settings.batch_size,
                frames=settings.frames,
                device=device,
            ),
            objective=objective,
            forward=objective,
            optimizer=adamw(objective, settings.lr, settings.weight_decay),
            clipped_together=clip_groups(objective, settings.grad_clip_scope),
            clipped_steps=torch.zeros((), dtype=torch.int64, device=device),
            evaluator=Evaluator(source, config.evaluation, device),
            peak_memory=peak_memory,
            provenance=provenance(device),
            compile_mode=settings.compile,
        )

    def batch(self, step: int) -> Batch:
        """The training batch of a step, a function of (seed, step), as training may see it."""
        return self.batches.batch(step).for_training()

    def compile(self) -> None:
        """Let `forward` be what `compile_mode` says; `auto` is measured first, on a copy."""
        settings = self.config.training
        if self.compile_mode == "auto":
            steps = settings.steps - self.step
            self.compile_mode = choose(self.objective, self.batch(0), steps, settings.precision)
        self.forward = compiled(self.objective, self.compile_mode)

    @property
    def stopped_by_collapse(self) -> bool:
        """Whether the run has collapsed and is not to go on; true of a resumed one as well."""
        return self.collapsed_at is not None and self.config.training.on_collapse == "stop"

    def parameters(self) -> dict[str, int]:
        """How many each part trains: a copy that follows another, an EMA head say, has none."""
        parts = {
            "encoder": self.objective.model.encoder,
            "predictor": self.objective.model.predictor,
            "aux_loss": self.objective.aux_loss,
            "helpers": self.objective.helpers,
        }
        return {
            name: sum(p.numel() for p in part.parameters() if p.requires_grad)
            for name, part in parts.items()
        }

    def checkpoint_limit(self) -> int:
        """Bytes that no checkpoint of this run exceeds: weights, two moments, and room for what
        a loss keeps beside its tensors."""
        tensors = [v for v in self.objective.state_dict().values() if isinstance(v, torch.Tensor)]
        return 4 * sum(v.numel() * v.element_size() for v in tensors) + (256 << 20)

    def to_checkpoint(self, *, run_hash: str, metrics_bytes: int) -> dict[str, Any]:
        """All that `restore` needs, with the run that it belongs to and its rows' length on disk.

        The step is, with the seed, the state of every random stream.
        """
        return {
            "hash": run_hash,
            "step": self.step,
            "seed": self.config.seed,
            "clipped_steps": self.clipped_steps,
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "metrics_bytes": metrics_bytes,
            "alarms": [encode(alarm) for alarm in self.alarms],
            "alarmed": self.alarmed,
            "collapsed_at": self.collapsed_at,
            "seconds": self.seconds,
            "interim_seconds": self.interim_seconds,
            "compile_mode": self.compile_mode,
            "provenance": self.provenance,
        }

    def restore(self, checkpoint: Mapping[str, Any]) -> None:
        """Become what `to_checkpoint` has returned; `provenance` stays this attempt's own.

        Raises KeyError, RuntimeError, TypeError or ValueError for a checkpoint that does not fit.
        """
        self.objective.load_state_dict(checkpoint["objective"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        self.step = self.saved_at = checkpoint["step"]
        self.clipped_steps = checkpoint["clipped_steps"]
        self.alarms = [Alarm(**alarm) for alarm in checkpoint["alarms"]]
        self.alarmed = checkpoint["alarmed"]
        self.collapsed_at = checkpoint["collapsed_at"]
        self.seconds = checkpoint["seconds"]
        self.interim_seconds = checkpoint["interim_seconds"]
        self.compile_mode = checkpoint["compile_mode"]


def adamw(module: nn.Module, lr: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW for what a module trains, in one kernel for all of it.

    That kernel walks memory from each weight's first number on, gaps included: with a weight of
    gaps, a slice of another tensor say, some kernels for each operation instead.
    """
    weights = [p for p in module.parameters() if p.requires_grad]
    dense = all(torch.empty_like(p).stride() == p.stride() for p in weights)
    return torch.optim.AdamW(
        weights, lr=lr, weight_decay=weight_decay, fused=dense or None, foreach=not dense or None
    )
