"""The C library's heap, told to keep what a training step frees: the next step takes it again."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of <malloc.h>
_KEPT = 256 << 20  # freed bytes at the heap's end that are not handed back
_MAPPED = 32 << 20  # from here on an allocation is a mapping of its own; the most glibc takes


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
