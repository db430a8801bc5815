"""Where a training stopped being finite, noted without waiting for the device."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


class Diverged(RuntimeError):
    """A value stopped being finite."""

    def __init__(self, step: int, term: str) -> None:
        super().__init__(
            f"{term} was not finite at step {step}; the last good checkpoint is kept. Lower"
            " training.lr or aux_loss.weight, or use training.precision=float32"
        )
        self.step, self.term = step, term


_MOST = 1000  # unchecked steps, beyond which keeping them all would cost more than a check


class FiniteWatch:
    """Keeps the scalars of every step on the device until they are checked."""

    def __init__(self) -> None:
        self._noted: list[tuple[int, list[str], Float[Tensor, " terms"]]] = []

    def note(self, step: int, terms: dict[str, Float[Tensor, ""]]) -> None:
        """Keep `terms`, in the order of their computation, so that the first bad one is to blame.

        One copy, so that a captured graph may write into them again.
        """
        if len(self._noted) == _MOST:
            self.check()
        self._noted.append((step, list(terms), torch.stack(list(terms.values()))))

    def check(self) -> None:
        """Wait for the device; raise Diverged for the first value since the last check that was
        not finite. Afterwards nothing is kept."""
        noted, self._noted = self._noted, []
        if not noted:
            return
        for (step, names, _), values in zip(
            noted, torch.stack([values for _, _, values in noted]).tolist(), strict=True
        ):
            for name, value in zip(names, values, strict=True):
                if not math.isfinite(value):
                    raise Diverged(step, name)
