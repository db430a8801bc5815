"""Time what a run costs before its first step: imports, composition, the first job of a process.

    python scripts/benchmark/start.py

Programs are started in interleaved rounds. `python` and `import torch` are the limits: no program
that trains with torch starts faster. The first job of a sweep pays for the imports and for
whatever a process does once; the later ones in the same process show what is left.
"""

import sys
import tempfile
from pathlib import Path

import common
import processes
import torch

from jepa_compare.runs import layout
from jepa_compare.runs.writer import read_status

JOBS = 3
COMMANDS = {
    "python": (sys.executable, "-c", "pass"),
    "import torch": (sys.executable, "-c", "import torch"),
    "--help": (*processes.TRAIN, "--help"),
    "--cfg job": (*processes.TRAIN, "--cfg", "job"),
}


def first_and_later_jobs(folder: Path, device: str, sweep: str) -> dict[str, list[float]]:
    """Seconds of a whole sweep of tiny jobs in one process, and of its jobs by their own clock."""
    overrides = [*processes.TINY, "tracking=disabled", f"device={device}", f"sweep={sweep}"]
    overrides.append(f"training.num_threads={torch.get_num_threads()}")
    seeds = ",".join(map(str, range(JOBS)))
    whole = processes.run([*processes.TRAIN, "-m", f"seed={seeds}", *overrides], folder)
    statuses = [read_status(p.parent) for p in folder.glob(f"multirun/{sweep}/*/{layout.STATUS}")]
    jobs = sorted((s.started or 0.0, s.ended or 0.0) for s in statuses if s)
    taken = [ended - started for started, ended in jobs]
    return {
        f"sweep of {JOBS} tiny jobs": [whole],
        "first job": taken[:1],
        "later job": taken[1:],
        "before the first job and between jobs": [whole - sum(taken)],
    }


def main() -> None:
    arguments = common.parser(__doc__, rounds=5).parse_args()
    device = common.start(arguments)
    with tempfile.TemporaryDirectory() as name:
        seconds = processes.interleave(COMMANDS, arguments.rounds, Path(name))
        for turn in range(max(1, arguments.rounds // 2)):
            measured = first_and_later_jobs(Path(name), arguments.device, f"start{turn}")
            for key, values in measured.items():
                seconds.setdefault(key, []).extend(values)
    rows = []
    for key, values in seconds.items():
        low, median, high = common.quartiles(values)
        rows.append({"": key, "s": f"{median:.2f}", "quartiles": f"{low:.2f} to {high:.2f}"})
    common.publish(rows, {"seconds": seconds}, device, arguments.json)


if __name__ == "__main__":
    main()
