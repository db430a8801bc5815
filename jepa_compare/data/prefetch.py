"""The batches of a training, simulated several steps ahead.

A small batch costs as many kernels as a large one and each costs a launch, so that simulating one
batch at a time takes longer than everything else that is made of it. Shape legend: see `Batch`.
"""

from collections.abc import Iterator
from itertools import islice

import torch

from jepa_compare.data.base import Source
from jepa_compare.latents import Batch
from jepa_compare.rng import generator

_TRAJECTORIES = 1024  # simulated at once, at most; more would save no kernel worth its memory


class PrefetchedBatches:
    """The batch of each step: to the bit what `source.sample` makes of (seed, "data", step).

    Asking for successive steps is cheap; any other step is simulated anew. Chunks begin at
    multiples of their length, so that a resumed run simulates the ones that it had before.
    """

    def __init__(
        self, source: Source, *, seed: int, batch_size: int, frames: int, device: torch.device
    ) -> None:
        self.source, self.seed, self.device = source, seed, device
        self.batch_size, self.frames = batch_size, frames
        self.steps = max(1, _TRAJECTORIES // batch_size)
        self.upcoming: int | None = None
        self.batches: Iterator[Batch] = iter(())

    def batch(self, step: int) -> Batch:
        """The batch of one step, labels and all."""
        first = step - step % self.steps
        if step == first or step != self.upcoming:
            generators = [
                generator(self.seed, "data", ahead) for ahead in range(first, first + self.steps)
            ]
            batches = self.source.sample_each(generators, self.batch_size, self.frames, self.device)
            self.batches = islice(batches, step - first, None)
        self.upcoming = None  # should the next line raise, the chunk is simulated anew
        batch = next(self.batches)
        self.upcoming = step + 1
        return batch
