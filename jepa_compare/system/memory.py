"""Memory of the process: the most that a run holds, and what the C library keeps of it."""

import ctypes
import os
import re
import resource
import sys
from pathlib import Path

import torch

_PROCESS = Path("/proc/self")
_CONTAINER = Path("/sys/fs/cgroup/memory.max")
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of <malloc.h>
_KEPT = 256 << 20  # freed bytes at the heap's end that are not handed back
_MAPPED = 32 << 20  # from here on an allocation is a mapping of its own; the most glibc takes
_HIGH_WATER = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


class PeakMemory:
    """Counts from its construction on. One at a time: the next one begins the count anew."""

    _earlier = False  # whether the process has had one before

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._first = not PeakMemory._earlier
        PeakMemory._earlier = True
        self._reset = device.type != "cuda" and _reset_high_water()
        if device.type == "cuda":
            torch.cuda.init()
            torch.cuda.reset_peak_memory_stats(device)

    def bytes(self) -> int | None:
        """Of the GPU's allocator, or of the process without one; there, None for all runs but the
        process's first where the system cannot begin the count anew (anything but Linux)."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        if self._reset:
            return _high_water()
        return _lifetime() if self._first else None


def total_bytes(device: torch.device) -> int:
    """What the device has, used or free; of the CPU, what this process may have of it."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(total, int(_CONTAINER.read_text()))
    except (OSError, ValueError):  # no container, or one without a limit: "max"
        return total


def is_exhausted(error: BaseException) -> bool:
    """Whether the exception says that there is no memory left: Python's, PyTorch's on a GPU, and
    PyTorch's on the CPU, which has no class of its own."""
    of_class = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    return of_class or "DefaultCPUAllocator: can't allocate memory" in str(error)


def _reset_high_water() -> bool:
    """Lower the process's high-water mark to what it holds now; whether that was possible."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; musl has none
        if trim is not None:
            trim(0)  # what the run before has freed and the C library kept is not this run's
    try:
        (_PROCESS / "clear_refs").write_text("5")
    except OSError:
        return False
    return _high_water() is not None


def _high_water() -> int | None:
    try:
        match = _HIGH_WATER.search((_PROCESS / "status").read_text())
    except OSError:
        return None
    return int(match[1]) * 1024 if match else None


def _lifetime() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # macOS counts bytes, Linux KiB


def keep_freed_memory() -> None:
    """Let freed memory stay with the process, where the C library is glibc; else do nothing.

    By default glibc returns the activations of a step to the kernel, which zeroes the same pages
    again, one fault each, in the next: a fifth of the default task's step. Addresses and contents
    that a kernel sees are aligned as before, so no number moves.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _MAPPED)
