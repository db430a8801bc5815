"""Encoders: observations to latents.

Shape legend: n frames, c h w an observation, d latent dimensions.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Encoder(nn.Module, ABC):
    """Built as `Target(obs_shape=(c, h, w), dim=d, **the YAML's arguments)`.

    `norm` is the normalisation that ends the encoder. The predictor's output passes the same
    module, so that predicted and encoded latents live on the same set.
    """

    norm: nn.Module
    frame_by_frame: ClassVar[bool] = False
    """Whether a latent depends on its own frame alone. An encoder that says so, and has no
    BatchNorm, may be given the frames of a batch in pieces."""

    @abstractmethod
    def forward(self, obs: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]: ...


class ConvEncoder(Encoder):
    """Two convolutions, one linear layer, LayerNorm without affine parameters.

    Raises ValueError for frames whose side is not a multiple of 8, its total stride.
    """

    frame_by_frame = True

    def __init__(
        self, *, obs_shape: tuple[int, int, int], dim: int, channels: list[int], groups: int
    ) -> None:
        super().__init__()
        c, h, w = obs_shape
        if h % 8 or w % 8:
            raise ValueError(
                f"model.encoder: ConvEncoder needs frames whose sides are multiples of 8, got"
                f" {h}x{w}; use data of another size or model=impala_gru"
            )
        if len(channels) != 2 or any(width <= 0 or width % groups for width in channels):
            raise ValueError(
                f"model.encoder.channels={channels}: needs two positive multiples of"
                f" model.encoder.groups={groups}"
            )
        first, second = channels
        self.body = nn.Sequential(
            nn.Conv2d(c, first, kernel_size=4, stride=4),
            nn.GroupNorm(groups, first),
            nn.ReLU(),
            nn.Conv2d(first, second, kernel_size=3, stride=2, padding=1),
            nn.GroupNorm(groups, second),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(second * (h // 8) * (w // 8), dim),
        )
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)

    def forward(self, obs: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        return self.norm(self.body(obs))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, kernel_size=3, padding=1)
        self.second = nn.Conv2d(width, width, kernel_size=3, padding=1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        # In place: no convolution's backward needs its own output.
        return F.relu_(x + self.second(F.relu_(self.first(x))))


class ImpalaEncoder(Encoder):
    """The residual encoder of IMPALA (Espeholt et al., arXiv 1802.01561, figure 3, right), with
    the blocks of eb_jepa (arXiv 2602.03604).

    Each stage is a convolution, a 3x3 max-pool of stride 2 and two residual blocks; then a linear
    layer and LayerNorm with affine parameters. A block ends with the ReLU that IMPALA has before
    each of its convolutions.
    """

    frame_by_frame = True

    def __init__(self, *, obs_shape: tuple[int, int, int], dim: int, channels: list[int]) -> None:
        super().__init__()
        if not channels or any(width <= 0 for width in channels):
            raise ValueError(
                f"model.encoder.channels={channels}: needs a positive width for every stage"
            )
        c, h, w = obs_shape
        stages: list[nn.Module] = []
        for width in channels:
            stages += [
                nn.Conv2d(c, width, kernel_size=3, padding=1),
                nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
                _Residual(width),
                _Residual(width),
            ]
            c, h, w = width, (h + 1) // 2, (w + 1) // 2
        self.body = nn.Sequential(*stages, nn.Flatten(), nn.Linear(c * h * w, dim))
        # On a CPU too: max-pools are vectorised over channels, and the step takes 0.7 of the time.
        self.body.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.norm = nn.LayerNorm(dim)

    def forward(self, obs: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        return self.norm(self.body(obs))
