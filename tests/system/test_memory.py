"""The peak of a run's memory: its own, not that of the runs before it in the process."""

import ctypes
import resource
import sys
from pathlib import Path

import pytest
import torch

from jepa_compare.system import memory
from jepa_compare.system.memory import PeakMemory

CPU = torch.device("cpu")
BIG = 400 * 2**20


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux only")
def test_a_run_after_a_larger_one_reports_its_own_peak() -> None:
    first = PeakMemory(CPU)
    at_start = first.bytes()
    block = bytearray(BIG)  # zeros that the system may not have handed out yet
    ctypes.memset((ctypes.c_char * BIG).from_buffer(block), 1, BIG)
    del block
    before, second = first.bytes(), PeakMemory(CPU).bytes()
    assert at_start is not None and before is not None and second is not None
    assert before > at_start + 0.9 * BIG
    assert second < before - 0.9 * BIG


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not the C library that keeps memory"
)
def test_what_an_earlier_run_freed_is_not_counted() -> None:
    first = PeakMemory(CPU)
    blocks = [bytes([1]) * 50_000 for _ in range(4000)]  # too small for mappings of their own
    pinned = blocks.pop()  # the end of the heap stays in use, so that nothing is returned by itself
    del blocks
    before, second = first.bytes(), PeakMemory(CPU).bytes()
    assert before is not None and second is not None and pinned
    assert second < before - 150 * 10**6


def test_where_the_count_cannot_begin_anew_only_the_first_run_has_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "_PROCESS", tmp_path / "nothing")
    monkeypatch.setattr(PeakMemory, "_earlier", False)
    first, second = PeakMemory(CPU), PeakMemory(CPU)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    monkeypatch.setattr(memory.resource, "getrusage", lambda who: usage)
    monkeypatch.setattr(sys, "platform", "linux")
    assert first.bytes() == usage.ru_maxrss * 1024
    monkeypatch.setattr(sys, "platform", "darwin")
    assert first.bytes() == usage.ru_maxrss
    assert second.bytes() is None


@pytest.mark.gpu
def test_the_gpus_peak_begins_anew() -> None:
    cuda = torch.device("cuda")
    first = PeakMemory(cuda)
    torch.empty(BIG, dtype=torch.uint8, device=cuda)
    before, second = first.bytes(), PeakMemory(cuda).bytes()
    assert before is not None and second is not None
    assert before >= BIG and second <= before - BIG
