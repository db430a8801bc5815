"""`training.compile`: what the step's forward runs as."""

import torch
from torch import nn


def compiled(objective: nn.Module, mode: str, device: torch.device) -> nn.Module:
    """The objective as it is to be called in the step; `objective` itself stays eager."""
    if mode == "off":
        return objective
    torch_mode = "reduce-overhead" if mode == "cudagraphs" else "default"
    return torch.compile(objective, mode=torch_mode)  # pyright: ignore[reportReturnType]
