"""Named random streams: every random number of a run is a function of (seed, stream, step).

Numbers are drawn on the CPU, so that they are the same on every device, and a stream needs no
state: a run resumed at step n draws at step n what it would have drawn without the interruption.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Stream = Literal["init", "data", "aux_loss", "evaluation", "global"]


def derive_seed(seed: int, stream: str, step: int = 0) -> int:
    """A 63-bit seed that depends on all three arguments and on nothing else."""
    digest = hashlib.blake2b(f"{seed}/{stream}/{step}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator(seed: int, stream: Stream | str, step: int = 0) -> torch.Generator:
    """A fresh CPU generator for one stream at one step.

    `stream` may carry a suffix ("evaluation/detour") to give one consumer its own sub-stream.
    """
    return torch.Generator(device="cpu").manual_seed(derive_seed(seed, stream, step))


def seed_global(seed: int, step: int, device: torch.device) -> None:
    """Give user code that draws from the global generators its own stream at each step.

    Two calls instead of `torch.manual_seed`, which looks for every kind of device each time.
    """
    value = derive_seed(seed, "global", step)
    torch.default_generator.manual_seed(value)
    if device.type == "cuda":
        torch.cuda.manual_seed(value)


@contextmanager
def seeded(seed: int, stream: Stream | str, step: int = 0) -> Iterator[None]:
    """Give code that draws from torch's global generator a stream of its own.

    Module initialisers do. The global CPU generator is put back afterwards, so that what is built
    inside, a projector say, cannot shift anything outside.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, stream, step))
        yield
