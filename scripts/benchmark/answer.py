"""Time the README's main job from start to report, by phase: three losses, one seed, default task.

    python scripts/benchmark/answer.py --against COMMIT                beside another commit
    python scripts/benchmark/answer.py --repeats 1 --steps 20 evaluation=fast      quickly

COMMIT is checked out in a temporary git worktree, which is removed at the end. Both run in turn,
each time in an empty directory; CPU seconds are those of the process with its threads and children.
Medians and quartiles over --repeats; the ratio, this checkout's CPU seconds over COMMIT's, is taken
within a repeat.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import common
import processes

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
JOB = ("-m", "aux_loss=vicreg,barlow_twins,dino", "tracking=disabled", "sweep=main")
WHOLE = "start to report"
Taken = dict[str, list[list[float]]]
"""phase -> repeats × (CPU seconds, wall seconds)"""


def git(*arguments: str) -> None:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {done.stderr.strip()}")


@contextmanager
def checkouts(against: str | None, folder: Path) -> Iterator[dict[str, Path]]:
    """Name -> root of the code to be timed; a worktree among them lives as long as the block."""
    if against is None:
        yield {"this": ROOT}
        return
    other = folder / "against"
    git("worktree", "add", "--detach", str(other), against)
    try:
        yield {"this": ROOT, against: other}
    finally:
        git("worktree", "remove", "--force", str(other))


def measure(roots: dict[str, Path], overrides: Sequence[str], repeats: int) -> dict[str, Taken]:
    """All repeats of every checkout, in turn."""
    taken: dict[str, Taken] = {name: {} for name in roots}
    names = list(roots)
    for repeat in range(repeats):
        first = repeat % len(names)
        for name in names[first:] + names[:first]:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "phases.json"
                command = [sys.executable, str(HERE / "phases.py"), str(file), *JOB, *overrides]
                processes.run(command, Path(folder), PYTHONPATH=str(roots[name]))
                phases: dict[str, list[float]] = json.loads(file.read_text())
            phases[WHOLE] = [sum(values) for values in zip(*phases.values(), strict=True)]
            for phase, seconds in phases.items():
                taken[name].setdefault(phase, []).append(seconds)
    return taken


def rows_of(taken: dict[str, Taken]) -> list[dict[str, str]]:
    """One row for each phase; the ratio where there are two checkouts."""
    this, *others = taken.values()
    rows = []
    for phase in this:
        row = {"phase": phase}
        for name, phases in taken.items():
            for k, unit in enumerate(("CPU s", "wall s")):
                row[f"{name}, {unit}"] = common.show_ratio(
                    common.ratio(
                        [seconds[k] for seconds in phases[phase]], [1.0] * len(this[phase])
                    )
                )
        for other in others:
            cpu = [[max(seconds[0], 1e-9) for seconds in side[phase]] for side in (this, other)]
            row["ratio of CPU s"] = common.show_ratio(common.ratio(*cpu))
        rows.append(row)
    return rows


def main() -> None:
    parser = common.parser(__doc__, rounds=3, threads=2)
    parser.add_argument("--repeats", dest="rounds", type=int, help="the same as --rounds")
    parser.add_argument("--against", metavar="COMMIT", help="time this commit as well")
    parser.add_argument("--steps", type=int, help="of training, instead of the default's")
    parser.add_argument("overrides", nargs="*", help="as for jepa_compare.train")
    arguments = parser.parse_intermixed_args()
    device = common.start(arguments)
    overrides = [f"device={arguments.device}", f"training.num_threads={arguments.threads}"]
    overrides += [f"training.steps={arguments.steps}"] if arguments.steps is not None else []
    overrides += arguments.overrides
    with (
        tempfile.TemporaryDirectory() as folder,
        checkouts(arguments.against, Path(folder)) as roots,
    ):
        taken = measure(roots, overrides, arguments.rounds)
    common.publish(rows_of(taken), {"seconds": taken}, device, arguments.json)


if __name__ == "__main__":
    main()
