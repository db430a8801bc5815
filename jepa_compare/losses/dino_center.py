"""The centering component of DINO alone: a mistake of an earlier system, kept for comparison."""

import torch
from torch import Tensor

from jepa_compare.latents import Latents
from jepa_compare.losses.base import AuxLoss, AuxOutput
from jepa_compare.losses.common import no_autocast, require, views


class DINOCenter(AuxLoss):
    """‖mean(z_pred) − center‖² with the center an exponential moving average of mean(z_target).

    It prevents nothing: a constant encoder makes it zero. Alone it behaves like `none`, and with an
    EMA target like the EMA target alone.
    """

    center: Tensor

    def __init__(self, *, dim: int, center_momentum: float) -> None:
        super().__init__()
        require(0 <= center_momentum <= 1, "center_momentum", center_momentum, "between 0 and 1")
        self.center_momentum = center_momentum
        self.register_buffer("center", torch.zeros(dim))

    def forward(self, latents: Latents) -> AuxOutput:
        with no_autocast(latents.z_pred):
            prediction, target = views(latents)
            distance = (prediction.mean(dim=0) - self.center).square().sum()
            if self.training:
                with torch.no_grad():
                    mean = target.mean(dim=0)
                    self.center.copy_(torch.lerp(mean, self.center, self.center_momentum))
        return AuxOutput(loss=distance, terms={"center_distance": distance.detach()})
