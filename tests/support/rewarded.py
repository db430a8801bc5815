"""The default source with a reward, which it has not."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from jepa_compare.data import TwoRooms
from jepa_compare.latents import Batch


class Rewarded(TwoRooms):
    """A reward for every action."""

    def sample_each(self, *arguments: Any, **named: Any) -> Iterator[Batch]:
        for batch in super().sample_each(*arguments, **named):
            yield replace(batch, reward=batch.obs[:, 1:, 0, 0, 0])
