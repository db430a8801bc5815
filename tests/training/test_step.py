"""What a training step launches and what it never does: deterministic, so CI can hold it."""

import platform
import resource
from collections import Counter
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from jepa_compare.config.compose import CONF_DIR
from jepa_compare.training import Diverged
from jepa_compare.training.step import training_step
from tests.support.runs import built

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


def operations_of_a_step(*overrides: str) -> tuple[Counter[str], Counter[str]]:
    """Of a whole step, and of its forward, backward and clipping without the making of the batch.

    The optimiser stays out: on a CPU it reads its own step counters, which a GPU's does not.
    """
    state = built(*overrides)
    state.optimizer.step = lambda: None  # pyright: ignore[reportAttributeAccessIssue]
    with Operations() as whole:
        training_step(state, state.batch(0), measure_gradients=False)
    with Operations() as data:
        state.batch(0)
    return whole.counts, whole.counts - data.counts


# Kernels of forward, backward and clipping, 5 % above what there were: a loop over samples or
# slices, or a loss that is not in one piece, shows here.
MOST = {"none": 242, "vicreg": 417, "barlow_twins": 317, "dino": 417, "sigreg": 368}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_waits_for_nothing_and_launches_no_more_than_it_did(loss: str) -> None:
    """The first half is the CPU's view of `test_a_step_does_not_wait_for_the_gpu`."""
    whole, counts = operations_of_a_step(f"aux_loss={loss}")
    assert {name: whole[name] for name in WAITS if whole[name]} == {}
    assert counts.total() <= MOST.get(loss, 417), (counts.total(), counts.most_common(12))


def test_a_batch_launches_few_kernels_because_many_are_simulated_at_once() -> None:
    """Per step of the default task, over one chunk; 44; one batch at a time took 605."""
    state = built("training.batch_size=32")
    with Operations() as data:
        for step in range(state.batches.steps):
            state.batch(step)
    assert data.counts.total() / state.batches.steps <= 47, data.counts.most_common(12)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library's heap")
def test_a_step_takes_the_memory_that_the_step_before_it_freed() -> None:
    """A page that goes back to the kernel returns with a fault. Without it: 1,000 and more."""
    state = built("training.batch_size=32")

    def faults(steps: int) -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(steps):
            training_step(state, state.batch(0), measure_gradients=False)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    faults(5)
    assert faults(5) <= 5 * 200


def test_a_step_is_a_function_of_state_and_batch() -> None:
    """Whatever was drawn before, and whether its gradients are measured or not."""
    one, other = built("aux_loss=sigreg"), built("aux_loss=sigreg")
    batch = one.batch(0)
    torch.rand(5)
    terms = training_step(one, batch, measure_gradients=False)
    measured = training_step(other, batch, measure_gradients=True)
    assert measured.keys() - terms.keys() == {"train/gradient_prediction", "train/gradient_aux"}
    assert all(torch.equal(terms[name], measured[name]) for name in terms)
    weights = other.objective.state_dict()
    for name, value in one.objective.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_what_is_not_finite_is_noted_with_its_step() -> None:
    state = built()
    state.step = 3
    batch = state.batch(3)
    batch.obs[0, 0] = float("nan")
    training_step(state, batch, measure_gradients=False)
    with pytest.raises(Diverged, match="train/prediction was not finite at step 3"):
        state.finite.check()


@pytest.mark.gpu
@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_does_not_wait_for_the_gpu(loss: str) -> None:
    state = built(f"aux_loss={loss}", "device=cuda")
    for state.step in range(3):  # cuDNN and the allocator settle
        training_step(state, state.batch(state.step), measure_gradients=False)
    torch.cuda.set_sync_debug_mode("error")
    try:
        training_step(state, state.batch(state.step), measure_gradients=False)
    finally:
        torch.cuda.set_sync_debug_mode("default")
