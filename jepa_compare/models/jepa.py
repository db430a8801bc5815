"""The joint-embedding predictive architecture: encoder, predictor, target encoder.

Shape legend: b trajectories, t frames, k rollout steps, d latent dimensions, c h w an observation.
"""

import copy
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepa_compare.ema import decay_at, follow
from jepa_compare.latents import Batch, Latents
from jepa_compare.models.encoders import Encoder
from jepa_compare.models.pieces import encode_in_pieces
from jepa_compare.models.predictors import Predictor

Target = Literal["shared", "stop_grad", "ema"]


class JEPA(nn.Module):
    """Encodes every frame once and rolls the predictor out from the first latent.

    `target` says where the latents to be predicted come from: `shared`, the online encoder with
    gradient; `stop_grad`, the online encoder without; `ema`, an exponential moving average of it
    with decay `target_decay` per step (BYOL, arXiv 2006.07733, equation 1), which goes to
    `final_target_decay` along a cosine unless that is None.
    """

    def __init__(
        self,
        *,
        encoder: Encoder,
        predictor: Predictor,
        dim: int,
        rollout_steps: int,
        target: Target,
        target_decay: float,
        final_target_decay: float | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.predictor = predictor
        self.dim = dim
        self.rollout_steps = rollout_steps
        self.target: Target = target
        self.target_decay = target_decay
        self.final_target_decay = final_target_decay
        self.target_encoder: Encoder | None = None
        if target == "ema":
            self.target_encoder = copy.deepcopy(encoder).requires_grad_(False)

    def encode(self, obs: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """Latents of the online encoder, which is the one that evaluation uses."""
        return self.encoder(obs)

    def rollout(
        self, z0: Float[Tensor, "b d"], actions: Float[Tensor, "b k a"] | None, steps: int
    ) -> Float[Tensor, "b k d"]:
        """Predicted latents of the `steps` frames after `z0`."""
        return self.predictor.rollout(z0, actions, steps)

    def forward(self, batch: Batch) -> Latents:
        b, t = batch.obs.shape[:2]
        k = self.rollout_steps
        z_context = encode_in_pieces(self.encoder, batch.obs.flatten(0, 1))
        z_context = z_context.unflatten(0, (b, t))  # [b t d]
        actions = None if batch.actions is None else batch.actions[:, :k]
        z_pred = self.rollout(z_context[:, 0], actions, k)
        if self.target_encoder is not None:
            with torch.no_grad():
                frames = batch.obs[:, 1 : k + 1].flatten(0, 1)
                z_target = encode_in_pieces(self.target_encoder, frames).unflatten(0, (b, k))
        elif self.target == "stop_grad":
            z_target = z_context[:, 1 : k + 1].detach()
        else:
            z_target = z_context[:, 1 : k + 1]
        return Latents(z_pred=z_pred, z_target=z_target, z_context=z_context)

    @torch.no_grad()
    def on_step_end(self, progress: float) -> None:
        """After the optimiser's step: let the EMA target encoder follow."""
        if self.target_encoder is None:
            return
        decay = decay_at(progress, self.target_decay, self.final_target_decay)
        follow(self.target_encoder, self.encoder, decay)
        for kept, new in zip(self.target_encoder.buffers(), self.encoder.buffers(), strict=True):
            kept.copy_(new)
