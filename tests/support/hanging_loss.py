"""A loss that does not come to an end, or leaves a thread behind."""

import ctypes
import threading
import time
from pathlib import Path

import torch

from jepa_compare.losses import NoAuxLoss


class Hangs(NoAuxLoss):
    """No auxiliary loss; as it prepares step `at`, it waits a minute, once per file `marker`.

    Args:
        dim: latent dimensions, from the model; not used.
        how: "python" waits so that others may act, "lock" holds Python's lock meanwhile, "thread"
            does not wait but leaves a thread that does, "never" does nothing.
        at: the step.
        marker: path of the file that says that it has waited.
    """

    def __init__(self, *, dim: int, how: str, at: int, marker: str) -> None:
        super().__init__(dim=dim)
        self.how, self.at, self.marker = how, at, Path(f"{marker}.{how}")

    def prepare(self, step: int, progress: float, generator: torch.Generator) -> None:
        if step != self.at or self.how == "never" or self.marker.exists():
            return
        self.marker.touch()
        if self.how == "thread":
            threading.Thread(target=time.sleep, args=(60,), daemon=False).start()
        elif self.how == "lock":
            ctypes.PyDLL(None).sleep(60)
        else:
            time.sleep(60)


def hangs(how: str, marker: Path, at: int = 5) -> tuple[str, ...]:
    """Overrides for a run with this loss; `how` may be several, with commas."""
    return (
        "aux_loss=none",
        f"aux_loss._target_={__name__}.Hangs",
        f"+aux_loss.how={how}",
        f"+aux_loss.at={at}",
        f"+aux_loss.marker={marker}",
    )
