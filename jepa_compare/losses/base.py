"""The contract of an auxiliary loss. The training loop knows nothing else about one."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepa_compare.latents import Latents


class AuxOutput(NamedTuple):
    """The value of an auxiliary loss and what it is made of."""

    loss: Float[Tensor, ""]
    """The loss in the authors' units, not yet multiplied by `aux_loss.weight`."""
    terms: dict[str, Float[Tensor, ""]]
    """Detached scalars under fixed keys; they become the columns `aux/<key>`."""


class AuxLoss(nn.Module, ABC):
    """Base of every auxiliary loss: built as `Target(dim=<latent dimensions>, **yaml_arguments)`.

    Constructor arguments are keyword-only and have no defaults (the YAML is the one place for
    them), each documented under `Args` with its meaning, its unit and what the paper has. The
    constructor raises `checks.RangeError` for a value out of range, and is called for every job
    before a sweep starts.

    State that affects the next step is a buffer (so the checkpoint holds it). Statistics of the
    data update in `forward` when `self.training`, as BatchNorm's do; whatever follows the weights
    (an EMA head) updates in `on_step_end`; a forward under `eval()` is pure. A loss computes in
    float32 outside autocast, never synchronises with the host, never indexes with a boolean mask,
    and lets NaN propagate.
    """

    def prepare(self, step: int, progress: float, generator: torch.Generator) -> None:
        """Called before each step: set schedules, draw random slices, writing buffers in place.

        `progress` runs from 0 to 1 over the training; `generator` is a CPU generator that depends
        on (seed, step) alone.
        """

    @abstractmethod
    def forward(self, latents: Latents) -> AuxOutput: ...

    def on_step_end(self, progress: float) -> None:
        """Called after the optimiser's step; losses with an EMA head update it here."""

    def inert_terms(self, target: str) -> str | None:
        """Why part of this loss regularises nothing with the target encoder `target`, or None.

        Such a run is refused unless `aux_loss.allow_inert_target` says that it is meant.
        """
        return None

    def alarms(self, terms: dict[str, float]) -> list[str]:
        """Sentences for what in `terms` (a logged row, host floats) looks like a collapse."""
        return []
