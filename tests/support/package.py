"""A package of a user's own: a loss that counts itself and fails as it is told, other parts."""

from pathlib import Path

LOSS = """
import gc
import os
import weakref

import torch

from jepa_compare.losses.base import AuxLoss, AuxOutput

ALIVE = weakref.WeakSet()


class L2(AuxLoss):
    def __init__(self, *, dim: int, power: float) -> None:
        super().__init__()
        gc.collect()
        print(f"other losses in memory: {len(ALIVE)}")
        ALIVE.add(self)
        self.power = power

    def forward(self, latents):
        if self.power == 3:
            raise torch.OutOfMemoryError("the GPU is too small")
        if self.power == 5 and "PROCESS" in os.environ:
            os.kill(os.getpid(), 9)
        if self.power == 6 and "PROCESS" in os.environ:
            os._exit(0)
        if self.power == 6:
            raise SystemExit(0)
        loss = latents.z_pred.float().abs().pow(self.power).mean()
        if self.power == 4:
            loss = loss / 0
        return AuxOutput(loss=loss, terms={"norm": loss.detach()})
"""


YAML = """
name: l2
weight: 0.1
target: stop_grad
target_decay: 0.99
_target_: my_lab.losses.L2
power: 2.0
"""


PARTS = """
import torch
from torch import nn

from jepa_compare.losses import HelperTerm
from jepa_compare.models import Predictor


class LinearStep(Predictor):
    def __init__(self, *, dim: int, action_dim: int, bias: bool, norm: nn.Module) -> None:
        super().__init__()
        self.move = nn.Linear(dim + action_dim, dim, bias=bias)

    def rollout(self, z0, actions, steps):
        predictions = []
        for step in range(steps):
            z0 = z0 + self.move(torch.cat([z0, actions[:, step]], dim=1))
            predictions.append(z0)
        return torch.stack(predictions, dim=1)


class Small(HelperTerm):
    def __init__(self, *, dim: int, action_dim: int, power: float) -> None:
        super().__init__()
        self.power = power

    def forward(self, z_context, actions):
        return z_context.float().abs().pow(self.power).mean()
"""


def make_package(root: Path) -> None:
    """Write the package `my_lab` below `root`, with `aux_loss/l2.yaml` in its `conf`."""
    (root / "my_lab" / "conf" / "aux_loss").mkdir(parents=True)
    (root / "my_lab" / "__init__.py").touch()
    (root / "my_lab" / "conf" / "__init__.py").touch()
    (root / "my_lab" / "losses.py").write_text(LOSS)
    (root / "my_lab" / "parts.py").write_text(PARTS)
    (root / "my_lab" / "conf" / "aux_loss" / "l2.yaml").write_text(YAML)
