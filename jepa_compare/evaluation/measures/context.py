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
from jepa_compare.data.base import World
from jepa_compare.evaluation.held_out import HeldOut, encode_batch, positions
from jepa_compare.evaluation.world_model import WorldModel

Need = Literal["labels", "actions", "reward", "environment", "tasks"]
T = TypeVar("T")


class EvaluationContext:
    """One model in one evaluation. What takes time is computed when first asked for."""

    def __init__(
        self,
        model: WorldModel,
        source: World,
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
        has: dict[Need, bool] = {
            "labels": self.held_out.fit.state is not None,
            "actions": self.held_out.fit.actions is not None,
            "environment": True,
            "tasks": True,
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
    def fit_positions(self) -> Float[Tensor, "b t p"]:
        """What probes are to read off `fit_latents`."""
        return positions(self.source, self.held_out.fit)

    @cached_property
    def positions(self) -> list[Float[Tensor, "b t p"]]:
        """What they are to read off `latents`."""
        return [positions(self.source, batch) for batch in self.held_out.sets]
