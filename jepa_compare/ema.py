"""Exponential moving averages of weights: of the target encoder, and of a loss's teacher head."""

import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


def decay_at(progress: float, start: float, end: float | None) -> float:
    """The share of the old average in the new one, at `progress` from 0 to 1 of the training.

    From `start` to `end` along half a cosine (BYOL, arXiv 2006.07733); None: `start` throughout.
    """
    if end is None:
        return start
    return end - (end - start) * 0.5 * (1 + math.cos(math.pi * progress))


@torch.no_grad()
def follow(average: nn.Module, online: nn.Module, decay: float) -> None:
    """decay · average + (1 − decay) · online, in place, for all parameters."""
    averaged: list[Tensor] = list(average.parameters())
    new: list[Tensor] = list(online.parameters())
    get_ema_multi_avg_fn(decay)(averaged, new, torch.tensor(0))
