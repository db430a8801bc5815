"""What measures are given: a model, and the held-out trajectories as it encodes them, once.

Shape legend: b trajectories, t frames, d latent dimensions, p label dimensions.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data.base import Column, Source
from jepa_compare.evaluation.held_out import HeldOut, encode_batch
from jepa_compare.evaluation.world_model import WorldModel
from jepa_compare.latents import Batch

Need = Literal["labels", "actions", "reward", "environment", "tasks"]
T = TypeVar("T")


class EvaluationContext:
    """One model in one evaluation. What takes time is computed when first asked for."""

    def __init__(
        self,
        model: WorldModel,
        source: Source,
        settings: EvaluationSettings,
        held_out: HeldOut,
        device: torch.device,
    ) -> None:
        self.model, self.source, self.settings = model, source, settings
        self.held_out, self.device = held_out, device
        self._results: dict[Callable[..., Any], Any] = {}

    @cached_property
    def offers(self) -> frozenset[Need]:
        """What a measure may need and this source has."""
        fit = self.held_out.fit
        has: dict[Need, bool] = {
            "labels": bool(self.source.columns),
            "actions": fit.actions is not None,
            "reward": fit.reward is not None,
            "environment": self.source.environment is not None,
            "tasks": self.source.task_suite is not None,
        }
        return frozenset(need for need, present in has.items() if present)

    def once(self, compute: Callable[["EvaluationContext"], T]) -> T:
        """What `compute` makes of this context: measures share what they both need."""
        if compute not in self._results:
            self._results[compute] = compute(self)
        return self._results[compute]

    @cached_property
    def collapse_latents(self) -> Float[Tensor, "b t d"]:
        """Of the first `collapse_trajectories` of the first held-out set."""
        obs = self.held_out.sets[0].obs[: self.settings.collapse_trajectories]
        return encode_batch(self.model, obs)

    @cached_property
    def fit_latents(self) -> Float[Tensor, "b t d"]:
        """Of the trajectories that probes are fitted on."""
        return encode_batch(self.model, self.held_out.fit.obs)

    @cached_property
    def latents(self) -> list[Float[Tensor, "b t d"]]:
        """Of each held-out set, on which everything is scored."""
        return [encode_batch(self.model, batch.obs) for batch in self.held_out.sets]

    @cached_property
    def column(self) -> Column | None:
        """The label that the built-in probe reads off the latents: the first continuous one."""
        return next((c for c in self.source.columns if c.kind == "continuous"), None)

    def labels(self, batch: Batch) -> Float[Tensor, "b t p"]:
        """The values of `column`, which there must be, in a batch."""
        assert self.column is not None
        return batch.labels[self.column.name]
