"""Frames in pieces: on a CPU, what a layer makes is still in the cache as the next one reads it."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from jepa_compare.models.encoders import Encoder

_NUMBERS = 2**19
"""In the observations of a piece: 62 frames of the reference task, all 256 of the default one. A
constant, for the rounding of a gradient depends on it."""


def encode_in_pieces(encoder: Encoder, obs: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
    """`encoder(obs)`, in as few pieces of equal size as keep each within 2**19 numbers.

    In one piece on a GPU, which wants large kernels, in a compiled program, whose graph would grow
    with the batch, and for an encoder whose latents depend on the rest of the batch.
    """
    pieces = max(1, math.ceil(obs.numel() / _NUMBERS))
    if obs.device.type != "cpu" or torch.compiler.is_compiling() or not _frame_by_frame(encoder):
        return encoder(obs)
    return torch.cat([encoder(piece) for piece in obs.chunk(pieces)])


def _frame_by_frame(encoder: Encoder) -> bool:
    """Whether an encoder says that it sees each frame alone, and no subclass of it has added a
    BatchNorm, whose statistics would be a piece's."""
    return encoder.frame_by_frame and not any(isinstance(m, _BatchNorm) for m in encoder.modules())
