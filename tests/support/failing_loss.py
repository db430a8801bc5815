"""A loss that fails once: what a run's YAML names when a test needs a failure in its middle."""

from pathlib import Path

import torch

from jepa_compare.losses import NoAuxLoss


class NoLuck(Exception):
    """What `FailsOnce` raises."""


class FailsOnce(NoAuxLoss):
    """No auxiliary loss; raises as it prepares step `fail_at`, unless the file `marker` is there.

    Args:
        dim: latent dimensions, from the model; not used.
        fail_at: the step.
        marker: path of the file that the failure leaves.
    """

    def __init__(self, *, dim: int, fail_at: int, marker: str) -> None:
        super().__init__(dim=dim)
        self.fail_at, self.marker = fail_at, Path(marker)

    def prepare(self, step: int, progress: float, generator: torch.Generator) -> None:
        if step == self.fail_at and not self.marker.exists():
            self.marker.touch()
            raise NoLuck("no luck")


def fails_once(step: int, marker: Path) -> tuple[str, ...]:
    """Overrides for a run with this loss."""
    return (
        "aux_loss=none",
        f"aux_loss._target_={__name__}.FailsOnce",
        f"+aux_loss.fail_at={step}",
        f"+aux_loss.marker={marker}",
    )
