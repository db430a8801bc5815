"""Barlow Twins with one tensor in both places: a published mistake, kept for comparison."""

from jepa_compare.checks import require_at_least
from jepa_compare.latents import Latents
from jepa_compare.losses.base import AuxLoss, AuxOutput
from jepa_compare.losses.common import flatten, no_autocast
from jepa_compare.losses.fused.autograd import with_gradient
from jepa_compare.losses.fused.barlow_twins import on_and_off_diagonal


class BarlowAuto(AuxLoss):
    """Barlow Twins of every encoder output with itself.

    It prevents nothing: the diagonal of an auto-correlation is 1 whatever the encoder does, and
    what is left is scale-free, so the latents may shrink to a point while the loss falls. (ε in
    the standardisation makes the diagonal fall below 1 only when they already have.)

    Args:
        dim: latent dimensions, from the model.
        off_diagonal_weight: λ, the weight of the redundancy reduction term. Barlow Twins: 0.0051.
        scale_loss: a factor of the whole. Barlow Twins: 1.
    """

    def __init__(self, *, dim: int, off_diagonal_weight: float, scale_loss: float) -> None:
        super().__init__()
        require_at_least(0, off_diagonal_weight=off_diagonal_weight, scale_loss=scale_loss)
        self.off_diagonal_weight = off_diagonal_weight
        self.scale_loss = scale_loss

    def forward(self, latents: Latents) -> AuxOutput:
        with no_autocast(latents.z_context):
            z = flatten(latents.z_context)
            on, off, grad, other = on_and_off_diagonal(
                z.detach(), z.detach(), self.off_diagonal_weight, self.scale_loss
            )
            value = self.scale_loss * (on + self.off_diagonal_weight * off)
            loss = with_gradient(value, [(z, grad + other)])
        return AuxOutput(loss=loss, terms={"on_diagonal": on, "off_diagonal": off})
