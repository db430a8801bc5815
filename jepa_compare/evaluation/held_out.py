"""The trajectories that a model is evaluated on: streams of their own, the same for every run.

Shape legend: b trajectories, t frames, d latent dimensions.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data.base import Source
from jepa_compare.evaluation.world_model import WorldModel, encode_frames
from jepa_compare.latents import Batch
from jepa_compare.rng import generator
from jepa_compare.system.stall import progressed


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOut:
    """Batches that training never sees; made once per run, on the device."""

    fit: Batch
    """The probe (and the decoder) is fitted here."""
    sets: tuple[Batch, ...]
    """Disjoint sets on which everything is scored."""


def sample_held_out(source: Source, settings: EvaluationSettings, device: torch.device) -> HeldOut:
    """Draw all sets, each from its own stream of the seed of the held-out trajectories."""

    def draw(stream: str) -> Batch:
        draws = generator(settings.held_out_seed(), f"evaluation/{stream}")
        batch = source.sample(
            draws, settings.trajectories, settings.frames, device, split="evaluation"
        )
        progressed()
        return batch

    sets = tuple(draw(f"held_out_{index}") for index in range(settings.held_out_sets))
    return HeldOut(fit=draw("fit"), sets=sets)


def encode_batch(model: WorldModel, obs: Float[Tensor, "b t *obs"]) -> Float[Tensor, "b t d"]:
    """Latents of every frame."""
    return encode_frames(model, obs.flatten(0, 1)).unflatten(0, obs.shape[:2])
