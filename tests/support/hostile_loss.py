"""A loss whose exception would clear the terminal, and one whose import leaves a mark."""

from jepa_compare.latents import Latents
from jepa_compare.losses import AuxOutput, NoAuxLoss


class ClearsTheScreen(NoAuxLoss):
    """No auxiliary loss; its forward raises a message full of control characters."""

    def forward(self, latents: Latents) -> AuxOutput:
        cause = ValueError("cause \x1b]0;mine\x07")
        raise RuntimeError("bad \x1b[2J \x9b31m \u202e end") from cause
