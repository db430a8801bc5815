"""A decoder from latents to pictures, trained on frozen latents: for looking only.

No metric depends on it, and no gradient of it reaches the encoder.

Shape legend: n frames, d latent dimensions, h w pixels.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from jepa_compare.rng import generator, seeded
from jepa_compare.system.stall import progressed

_BATCH = 256
_HIDDEN = 512
_PEAK_LR = 3e-3


class Decoder(nn.Module):
    """An MLP with two hidden layers, from a latent to all pixels at once."""

    def __init__(self, *, dim: int, height: int, width: int) -> None:
        super().__init__()
        self.size = (height, width)
        self.body = nn.Sequential(
            nn.Linear(dim, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, height * width),
        )

    def forward(self, latents: Float[Tensor, "n d"]) -> Float[Tensor, "n h w"]:
        """Logits of the grey values."""
        return self.body(latents).unflatten(1, self.size)

    def pictures(self, latents: Float[Tensor, "n d"]) -> Float[Tensor, "n h w"]:
        """Grey values in [0, 1]."""
        with torch.no_grad():
            return self(latents).sigmoid()


def train_decoder(
    latents: Float[Tensor, "n d"], pictures: Float[Tensor, "n h w"], *, steps: int, seed: int
) -> Decoder:
    """Binary cross-entropy against grey values in [0, 1], Adam with a linear decay.

    Squared error would be content with an empty room: the agent is a few pixels of a thousand.
    """
    latents = latents.detach().float()
    height, width = pictures.shape[1:]
    with seeded(seed, "evaluation/decoder"):
        decoder = Decoder(dim=latents.shape[1], height=height, width=width)
    decoder.to(latents.device)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=_PEAK_LR)
    draw = generator(seed, "evaluation/decoder/batches")
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = _PEAK_LR * (1 - step / steps)
        rows = torch.randint(len(latents), (_BATCH,), generator=draw).to(latents.device)
        logits = decoder(latents[rows])
        loss = F.binary_cross_entropy_with_logits(logits, pictures[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        progressed()
    return decoder.eval()
