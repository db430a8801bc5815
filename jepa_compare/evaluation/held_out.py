"""The trajectories that a model is evaluated on: streams of their own, the same for every run.

Shape legend: b trajectories, t frames, c h w an observation, d latent dimensions,
p position dimensions.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data.base import World
from jepa_compare.evaluation.world_model import WorldModel, encode_frames
from jepa_compare.latents import Batch
from jepa_compare.rng import generator


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOut:
    """Batches that training never sees; made once per run, on the device."""

    fit: Batch
    """The probe (and the decoder) is fitted here."""
    sets: tuple[Batch, ...]
    """Disjoint sets on which everything is scored."""


def sample_held_out(world: World, settings: EvaluationSettings, device: torch.device) -> HeldOut:
    """Draw all sets, each from its own stream of `settings.seed`."""

    def draw(stream: str) -> Batch:
        source = generator(settings.seed, f"evaluation/{stream}")
        return world.sample(
            source, settings.trajectories, settings.frames, device, split="evaluation"
        )

    sets = tuple(draw(f"held_out_{index}") for index in range(settings.held_out_sets))
    return HeldOut(fit=draw("fit"), sets=sets)


def encode_batch(model: WorldModel, obs: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t d"]:
    """Latents of every frame."""
    return encode_frames(model, obs.flatten(0, 1)).unflatten(0, obs.shape[:2])


def positions(world: World, batch: Batch) -> Float[Tensor, "b t p"]:
    """The true positions, in the world's unit."""
    assert batch.state is not None, "an evaluation needs the true state"
    return batch.state[..., : world.position_dim]
