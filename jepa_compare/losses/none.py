"""No auxiliary loss: the positive control. With a shared target the latents must collapse."""

from jepa_compare.latents import Latents
from jepa_compare.losses.base import AuxLoss, AuxOutput


class NoAuxLoss(AuxLoss):
    """Zero, without terms; the prediction's gradient reaches both branches of a shared target.

    Args:
        dim: latent dimensions, from the model; not used.
    """

    def __init__(self, *, dim: int) -> None:
        super().__init__()

    def forward(self, latents: Latents) -> AuxOutput:
        return AuxOutput(loss=latents.z_pred.float().new_zeros(()), terms={})
