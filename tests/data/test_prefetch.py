"""Batches made many steps ahead are, to the bit, those that are made one by one."""

import pytest
import torch

from jepa_compare import rng
from jepa_compare.data.prefetch import PrefetchedBatches
from jepa_compare.latents import Batch
from tests.support.sources import NAMES, build

CPU = torch.device("cpu")


def equal(batch: Batch, other: Batch) -> bool:
    assert batch.actions is not None and other.actions is not None
    return (
        torch.equal(batch.obs, other.obs)
        and torch.equal(batch.actions, other.actions)
        and torch.equal(batch.labels["position"], other.labels["position"])
    )


def ahead(source, batch_size: int, frames: int, seed: int = 0) -> PrefetchedBatches:
    return PrefetchedBatches(source, seed=seed, batch_size=batch_size, frames=frames, device=CPU)


# The kernels treat the last elements of a row in another way than the others, so that odd sizes
# are the ones that would show where in a chunk a batch lies.
@pytest.mark.parametrize(("batch_size", "frames"), [(33, 5), (5, 8), (32, 8)])
@pytest.mark.parametrize("name", NAMES)
def test_a_batch_does_not_depend_on_where_in_a_chunk_it_lies(name, batch_size, frames):
    source = build(name)
    batches = ahead(source, batch_size, frames, seed=7)
    last = 2 * batches.steps
    for step in range(last + 1):
        batch = batches.batch(step)
        if step < 40 or step >= last - 2:
            alone = source.sample(rng.generator(7, "data", step), batch_size, frames, CPU)
            assert equal(batch, alone), step


@pytest.mark.parametrize("name", NAMES)
def test_a_resumed_run_gets_the_batches_that_it_would_have_had(name):
    source = build(name)
    batches, resumed = ahead(source, 300, 4), ahead(source, 300, 4)
    undisturbed = [batches.batch(step) for step in range(6)]
    for step in (4, 5, 1, 1, 2, 3):
        assert equal(resumed.batch(step), undisturbed[step])


def test_a_large_batch_is_made_alone():
    assert [ahead(build("two_rooms"), size, 4).steps for size in (384, 513, 2000)] == [2, 1, 1]
