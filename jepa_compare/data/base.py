"""The contract of a source: batches of trajectories, and what is known of them.

Training and probing need no more. A source in which one can act has an `Environment`, and tasks to
plan in it a `TaskSuite`; what a source lacks is not measured.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.data.environment import Environment, TaskSuite
from jepa_compare.latents import Batch

Split = Literal["train", "evaluation"]
"""`evaluation` differs from `train` only in sources that hold something out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One of a batch's labels: ground truth per frame that probes read off the latents."""

    name: str
    """Its key in `Batch.labels`."""
    unit: str
    """Of its values, and of errors decoded to it: "px", or "" for a number without one."""
    kind: Literal["continuous", "angle", "class"]


class Source(ABC):
    """Built as `Target(**the YAML's arguments)`; raises `ValueError` for one out of range."""

    obs_shape: tuple[int, ...]
    """Of one frame: (channels, height, width), or (features,)."""
    action_dim: int
    """0 without actions."""
    action_kind: Literal["continuous", "discrete", "none"]
    """Discrete actions arrive one-hot."""
    columns: tuple[Column, ...] = ()
    """What `Batch.labels` holds, the one that probes are scored in first."""
    primary_metric: ClassVar[str]
    """What methods are ranked by here: "eval/success_detour"."""
    environment: Environment | None = None
    task_suite: TaskSuite | None = None

    @abstractmethod
    def sample(
        self,
        generator: torch.Generator,
        batch_size: int,
        frames: int,
        device: torch.device,
        split: Split = "train",
    ) -> Batch:
        """`batch_size` trajectories of `frames` frames, with a label for each of `columns`.

        Random numbers are drawn from the CPU `generator` in one fixed order and copied to the
        device; the rest is computed there. The result is the same on every device up to
        floating-point rounding. obs are float32 as the encoder gets them (already normalised).
        Raises ValueError for more frames than there are.
        """

    def sample_each(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        frames: int,
        device: torch.device,
        split: Split = "train",
    ) -> Iterator[Batch]:
        """To the bit the batch that `sample` makes of each generator, in turn.

        A source whose small batches cost launches more than work simulates all of them at once.
        """
        for generator in generators:
            yield self.sample(generator, batch_size, frames, device, split)

    def picture(self, obs: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w"]:
        """Grey-scale frames in [0, 1] for people to look at (figures, GIFs)."""
        return obs.mean(dim=1).clamp(0, 1)
