"""What a training step launches and what it never does: deterministic, so CI can hold it."""

import platform
import resource
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from torch.utils._python_dispatch import TorchDispatchMode

from jepa_compare.config.compose import CONF_DIR
from tests.support.runs import training

LOSSES = sorted(p.stem for p in (CONF_DIR / "aux_loss").glob("*.yaml") if p.stem != "barlow")

# Reads a number from the device, or makes a shape depend on the data: on a GPU, each one waits.
WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "equal", "is_nonzero")


class Operations(TorchDispatchMode):
    """Counts the operations that reach the device; views do not."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not func.is_view:
            self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def operations_of_a_step(directory: Path, *overrides: str) -> tuple[Counter[str], Counter[str]]:
    """Of a whole step, and of its forward, backward and clipping without the making of the batch.

    The optimiser stays out: on a CPU it reads its own step counters, which a GPU's does not.
    """
    with training(directory, *overrides) as made:
        made.optimizer.step = lambda: None  # pyright: ignore[reportAttributeAccessIssue]
        with Operations() as whole:
            made.optimisation_step(made.objective, False)
        with Operations() as data:
            made.batch(0)
    return whole.counts, whole.counts - data.counts


# Kernels of forward, backward and clipping, 5 % above what there were: a loop over samples or
# slices, or a loss that is not in one piece, shows here.
MOST = {"none": 242, "vicreg": 417, "barlow_twins": 317, "dino": 417, "sigreg": 368}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_waits_for_nothing_and_launches_no_more_than_it_did(
    tmp_path: Path, loss: str
) -> None:
    """The first half is the CPU's view of `test_a_step_does_not_wait_for_the_gpu`."""
    whole, counts = operations_of_a_step(tmp_path / "run", f"aux_loss={loss}")
    assert {name: whole[name] for name in WAITS if whole[name]} == {}
    assert counts.total() <= MOST.get(loss, 417), (counts.total(), counts.most_common(12))


def test_a_batch_launches_few_kernels_because_many_are_simulated_at_once(tmp_path: Path) -> None:
    """Per step of the default task, over one chunk; 44; one batch at a time took 605."""
    with training(tmp_path / "run", "training.batch_size=32") as made, Operations() as data:
        for step in range(made.batches.steps):
            made.batch(step)
    assert data.counts.total() / made.batches.steps <= 47, data.counts.most_common(12)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library's heap")
def test_a_step_takes_the_memory_that_the_step_before_it_freed(tmp_path: Path) -> None:
    """A page that goes back to the kernel returns with a fault. Without it: 1,000 and more."""

    def faults(steps: int) -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(steps):
            made.optimisation_step(made.objective, False)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    with training(tmp_path / "run", "training.batch_size=32") as made:
        faults(5)
        assert faults(5) <= 5 * 200
