"""What the evaluation needs of a model, and how it looks at one without changing it.

Shape legend: n frames, *obs the shape of an observation, d latent dimensions, k rollout
steps, a action dimensions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.system.stall import progressed

_FRAMES_PER_CALL = 512


@runtime_checkable
class WorldModel(Protocol):
    """An encoder with a predictor, as `models.jepa.JEPA` is one."""

    training: bool

    def encode(self, obs: Float[Tensor, "n *obs"]) -> Float[Tensor, "n d"]: ...

    def rollout(
        self, z0: Float[Tensor, "n d"], actions: Float[Tensor, "n k a"] | None, steps: int
    ) -> Float[Tensor, "n k d"]: ...

    def train(self, mode: bool = True) -> object: ...


@contextmanager
def evaluating(model: WorldModel) -> Iterator[None]:
    """Evaluation mode and no gradients inside; the training mode is put back afterwards."""
    was_training = model.training
    model.train(False)
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


def encode_frames(model: WorldModel, obs: Float[Tensor, "n *obs"]) -> Float[Tensor, "n d"]:
    """`model.encode` in pieces that fit into memory, whatever n is."""
    latents = []
    for piece in obs.split(_FRAMES_PER_CALL):
        latents.append(model.encode(piece))
        progressed()
    return torch.cat(latents)
