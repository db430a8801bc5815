"""`training.compile`: what the forward and backward of a step run as.

The compiled code is cached per process by the structure of the modules, not by their weights, so
the jobs of a sweep that share a structure share it.
"""

import copy
import logging
import time
from collections.abc import Callable

import torch
from torch import nn

from jepa_compare.latents import Batch

log = logging.getLogger(__name__)

_TORCH_MODES = {"default": "default", "cudagraphs": "reduce-overhead"}
_ROUNDS = 10


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """bfloat16 autocast where it is asked for, or where `auto` finds a GPU."""
    enabled = precision == "bfloat16" or (precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


def compiled(objective: nn.Module, mode: str) -> Callable[[Batch], object]:
    """The objective as the step calls it, `mode` one of off, default, cudagraphs."""
    if mode == "off":
        return objective
    return torch.compile(objective, mode=_TORCH_MODES[mode])


def choose(
    objective: nn.Module,
    batch: Batch,
    steps: int,
    precision: str,
    *,
    compile: Callable[[nn.Module, str], Callable[[Batch], object]] = compiled,
    clock: Callable[[], float] = time.perf_counter,
) -> str:
    """`auto`: off or the compiled mode of this device, whichever finishes `steps` steps earlier.

    Measured on a copy, so that no weight, statistic or counter of the run moves: a compiled mode
    wins if what it saves per step outweighs the compilation that it has just cost. In the steps'
    own `precision`, which is part of the program: theirs is then compiled already.
    """

    def median_seconds(forward: Callable[[Batch], object], rounds: int = _ROUNDS) -> float:
        """Of a forward and backward, after one that is not counted."""
        times = []
        for _ in range(rounds + 1):
            started = clock()
            with autocast(precision, batch.obs.device):
                output = forward(batch)
            output.total.backward()  # pyright: ignore[reportAttributeAccessIssue]
            if batch.obs.device.type == "cuda":
                torch.cuda.synchronize(batch.obs.device)
            times.append(clock() - started)
        return sorted(times[1:])[rounds // 2]

    mode = "cudagraphs" if batch.obs.device.type == "cuda" else "default"
    eager_seconds = median_seconds(copy.deepcopy(objective))
    started = clock()
    try:
        fast = compile(copy.deepcopy(objective), mode)
        median_seconds(fast, rounds=1)
        compilation = clock() - started
        fast_seconds = median_seconds(fast)
    except Exception as error:  # no compiler on this machine, a loss that cannot be traced
        log.warning("training.compile=auto: %s does not compile (%s); off", mode, _first(error))
        return "off"
    saved = steps * (eager_seconds - fast_seconds) - compilation
    chosen = mode if saved > 0 else "off"
    log.info(
        "training.compile=auto: %s (%.1f ms a step, eager %.1f ms, compilation %.0f s)",
        chosen,
        1e3 * fast_seconds,
        1e3 * eager_seconds,
        compilation,
    )
    return chosen


def _first(error: Exception) -> str:
    """The first line of its message."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
