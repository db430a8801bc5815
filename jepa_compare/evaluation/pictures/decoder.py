"""A decoder from latents to pictures: what the frames with the nearest latents look like.

Kernel regression (Nadaraya, 1964; Watson, 1964) over the latents of held-out frames, of which
nothing has to be trained. For looking only: no metric depends on it.

Shape legend: n frames, q latents to be seen, d latent dimensions, h w pixels.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.metrics import COLLAPSED_SPREAD

_NEIGHBOURHOOD = 0.5  # the kernel's standard deviation, in distances to the nearest latent


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoder:
    """Draws a latent as the mean of `pictures`, weighted by a Gaussian of the distance to their
    `latents`.

    The Gaussian is never narrower than `COLLAPSED_SPREAD` of the latents' norm: of a collapsed
    encoder, whose latents all lie within it, every picture is the mean of all frames.
    """

    latents: Float[Tensor, "n d"]
    pictures: Float[Tensor, "n h w"]

    def __call__(self, latents: Float[Tensor, "q d"]) -> Float[Tensor, "q h w"]:
        """Grey values within the range of those of `pictures`."""
        distance = torch.cdist(latents.float(), self.latents.float()).square()  # [q n]
        nearest = distance.amin(dim=1, keepdim=True)
        norm = self.latents.float().square().sum(dim=1).mean()
        variance = _NEIGHBOURHOOD**2 * nearest + COLLAPSED_SPREAD**2 * norm
        # Latents that are all zero have no distance and no norm: every frame weighs the same.
        variance = variance.clamp(min=torch.finfo(torch.float32).tiny)
        weights = torch.softmax((nearest - distance) / (2 * variance), dim=1)
        return (weights @ self.pictures.flatten(1)).unflatten(1, self.pictures.shape[1:])
