"""Shared by the benchmarks: interleaved rounds, the machine, its limits, a table and JSON.

A machine is never quiet, so no time is compared with one of another moment: every round calls
each candidate once, and a speed-up is the median over rounds of the ratio within a round.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from jepa_compare.sweep.job import Job
from jepa_compare.sweep.plan import parse_command_line
from jepa_compare.system.provenance import device_name
from jepa_compare.training.state import TrainingState
from jepa_compare.training.step import training_step

Call = Callable[[], object]


def parser(description: str | None, rounds: int, threads: int = 1) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes: --device, --threads, --rounds, --json."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--device", default="cpu", help="cpu | cuda | cuda:<index>")
    made.add_argument("--threads", type=int, default=threads, help="CPU threads (%(default)s)")
    made.add_argument("--rounds", type=int, default=rounds, help="rounds (%(default)s)")
    made.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there")
    return made


def start(arguments: argparse.Namespace) -> torch.device:
    """Set the threads and return the device of parsed arguments."""
    torch.set_num_threads(arguments.threads)
    return torch.device(arguments.device)


def composed(device: str, threads: int, overrides: Sequence[str]) -> Job:
    """The one job that the command line would start, untracked."""
    fixed = [f"device={device}", "tracking=disabled", f"training.num_threads={threads}"]
    return parse_command_line([*fixed, *overrides], multirun=False).jobs[0]


def train_steps(state: TrainingState, steps: int) -> dict[str, Any]:
    """The loop's own steps, from the first one again after the last; the newest one's terms."""
    terms: dict[str, Any] = {}
    for _ in range(steps):
        terms = training_step(state, state.batch(state.step), measure_gradients=False)
        state.step = (state.step + 1) % state.config.training.steps
    return terms


def interleave(
    candidates: Mapping[str, Call], rounds: int, device: torch.device, warmup: int = 1
) -> dict[str, list[float]]:
    """Seconds of every call: a round calls each candidate once, and the next round begins with
    the next candidate, so that none always follows the same one.

    `warmup` rounds come first and are not returned. A GPU is waited for before and after a call.
    """
    names = list(candidates)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-warmup, rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            synchronise(device)
            begin = time.perf_counter()
            candidates[name]()
            synchronise(device)
            if turn >= 0:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def synchronise(device: torch.device) -> None:
    """Wait for a GPU; nothing on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def ratio(numerator: Sequence[float], denominator: Sequence[float]) -> dict[str, float]:
    """Median and quartiles of the per-round ratios."""
    values = [a / b for a, b in zip(numerator, denominator, strict=True)]
    low, median, high = quartiles(values)
    return {"median": median, "low": low, "high": high}


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The three quartiles; of a single value, that value."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, median, high


def show_ratio(spread: Mapping[str, float]) -> str:
    """ "12.3 [11.9, 12.8]": the median and the quartiles."""
    digits = 1 if spread["median"] >= 10 else 2
    median, low, high = (f"{spread[key]:.{digits}f}" for key in ("median", "low", "high"))
    return f"{median} [{low}, {high}]"


def milliseconds(seconds: Sequence[float]) -> str:
    """The median, in ms, to three digits."""
    return f"{1e3 * statistics.median(seconds):.3g}"


def machine(device: torch.device) -> dict[str, Any]:
    """What the numbers belong to."""
    return {
        "cpu": device_name(torch.device("cpu")),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": device_name(device) if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
    }


def gemm_rate(device: torch.device, dtype: torch.dtype, size: int = 2048) -> float:
    """Operations per second of a square matrix product, the best of a few."""
    a = torch.randn(size, size, device=device, dtype=dtype)
    seconds = interleave({"gemm": lambda: torch.mm(a, a)}, 5, device)["gemm"]
    return 2 * size**3 / min(seconds)


def limits(device: torch.device) -> dict[str, float]:
    """What this device can do: float32 GEMM in GFLOP/s, copying in GB/s (read and written)."""
    source = torch.randn(2**24, device=device)
    target = torch.empty_like(source)
    seconds = interleave({"copy": lambda: target.copy_(source)}, 5, device)["copy"]
    moved = 2 * source.numel() * source.element_size()
    return {
        "gemm_gflops": gemm_rate(device, torch.float32) / 1e9,
        "copy_gb_per_s": moved / min(seconds) / 1e9,
    }


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as a Markdown table; the columns are the first row's keys."""
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([str(row[c]) for c in columns] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def publish(
    rows: Sequence[Mapping[str, object]],
    numbers: Mapping[str, object],
    device: torch.device,
    file: Path | None,
) -> None:
    """Print the table and the machine; write table, numbers and machine to `file` as JSON."""
    described = machine(device)
    print(table(rows))
    print("\n" + ", ".join(f"{key} {value}" for key, value in described.items()))
    if file is not None:
        content = {"machine": described, "table": list(rows), **numbers}
        file.write_text(json.dumps(content, indent=2) + "\n")


def peak_bytes(call: Call, device: torch.device) -> int:
    """The most that `call` holds at once beyond what was there before, as the allocator has it."""
    if device.type == "cuda":
        synchronise(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        return torch.cuda.max_memory_allocated(device) - before
    # acc_events: torch 2.11 warns where it is left to its default.
    with torch.profiler.profile(profile_memory=True, acc_events=True) as profile:
        call()
    held = highest = 0
    for event in profile.profiler.kineto_results.events():  # pyright: ignore
        if event.name() == "[memory]":
            held += event.nbytes()  # pyright: ignore[reportAttributeAccessIssue]
            highest = max(highest, held)
    return highest


def flops(call: Call) -> int:
    """Floating-point operations of the matrix products and convolutions in `call`."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()
