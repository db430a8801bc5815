"""The centering component of DINO alone: a mistake of an earlier system, kept for comparison."""

import torch
from torch import Tensor

from jepa_compare.checks import require_between
from jepa_compare.latents import Latents
from jepa_compare.losses.base import AuxLoss, AuxOutput
from jepa_compare.losses.common import no_autocast, views
from jepa_compare.losses.dino import next_center


class DINOCenter(AuxLoss):
    """‖mean(z_pred) − center‖² with the center an exponential moving average of mean(z_target).

    It prevents nothing: a constant encoder makes it zero. Alone it behaves like `none`, and with an
    EMA target like the EMA target alone.

    Args:
        dim: latent dimensions, from the model.
        center_momentum: m, the share of the old center in the new one, per step. DINO: 0.9.
    """

    center: Tensor

    def __init__(self, *, dim: int, center_momentum: float) -> None:
        super().__init__()
        require_between(0, 1, center_momentum=center_momentum)
        self.center_momentum = center_momentum
        self.register_buffer("center", torch.zeros(dim))

    def forward(self, latents: Latents) -> AuxOutput:
        with no_autocast(latents.z_pred):
            prediction, target = views(latents)
            distance = (prediction.mean(dim=0) - self.center).square().sum()
            if self.training:
                with torch.no_grad():
                    self.center.copy_(next_center(self.center, target, self.center_momentum))
        return AuxOutput(loss=distance, terms={"center_distance": distance.detach()})
