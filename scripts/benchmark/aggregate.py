"""How long `scripts/aggregate.py` takes and how much memory, against the number of runs.

    python scripts/benchmark/aggregate.py                               2,500, 5,000 and 10,000 runs
    python scripts/benchmark/aggregate.py 100 200 --keep DIR --arguments="--format json"

Writes synthetic sweeps (five losses, 200 lines of metrics a run, 100 tasks of three kinds), then
aggregates each in a process of its own and prints, as a Markdown table, its seconds by the clock
and of processor time and its peak resident memory. `--arguments` go to aggregate.py. DIR is made
if need be, and reused.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.support.synthetic import DEFAULT_LOSSES, write_run  # noqa: E402

LINES = 200
_DONE = "complete"


def write_sweep(path: Path, runs: int) -> None:
    """`runs` run directories below `path`, unless an earlier call has finished them."""
    if (path / _DONE).exists():
        return
    losses = list(DEFAULT_LOSSES.values())
    for index in range(runs):
        loss = losses[index % len(losses)]
        write_run(path, loss=loss, seed=index // len(losses), rows=LINES)
    (path / _DONE).touch()


def measure(path: Path, arguments: list[str]) -> tuple[float, float, float]:
    """(seconds by the clock, seconds of processor time, peak memory in MiB)."""
    command = [sys.executable, str(ROOT / "scripts" / "aggregate.py"), str(path), *arguments]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    used = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - started, used, usage.ru_maxrss * unit / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", nargs="*", type=int, default=[2500, 5000, 10000])
    parser.add_argument("--keep", type=Path, help="keep the sweeps here")
    parser.add_argument("--arguments", default="--format csv", help="of aggregate.py")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        print("| runs | seconds | of processor time | ms per run | peak memory (MiB) |")
        print("| ---: | ---: | ---: | ---: | ---: |")
        for runs in options.runs:
            sweep = folder / f"{runs}_runs"
            write_sweep(sweep, runs)
            seconds, used, memory = measure(sweep, options.arguments.split())
            row = f"{seconds:.1f} | {used:.1f} | {1000 * seconds / runs:.2f} | {memory:.0f}"
            print(f"| {runs:,} | {row} |", flush=True)


if __name__ == "__main__":
    main()
