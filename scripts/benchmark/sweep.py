"""Time a sweep of K runs by hydra/launcher=process against the same runs one after another.

    python scripts/benchmark/sweep.py
    python scripts/benchmark/sweep.py --runs 8 --jobs 4 --device cuda training=quick

Both ways run in turn, as often as --rounds says, each in a directory of its own. On one GPU the
jobs share it (hydra.launcher.jobs_per_gpu); on a CPU each has --threads threads.
"""

import tempfile
from pathlib import Path

import common
import processes


def commands(
    runs: int, jobs: int, threads: int, device: str, overrides: list[str]
) -> dict[str, tuple[str, ...]]:
    """The two command lines; {round} keeps their directories apart."""
    seeds = ",".join(map(str, range(runs)))
    shared = (
        *("-m", f"seed={seeds}", "tracking=disabled", f"device={device}"),
        *(f"training.num_threads={threads}", *overrides),
    )
    at_once = ("hydra/launcher=process", f"hydra.launcher.n_jobs={jobs}")
    if device != "cpu":
        at_once = (*at_once, f"hydra.launcher.jobs_per_gpu={jobs}")
    return {
        "one after another": (*processes.TRAIN, *shared, "sweep=serial{round}"),
        f"{jobs} at once": (*processes.TRAIN, *shared, *at_once, "sweep=process{round}"),
    }


def main() -> None:
    parser = common.parser(__doc__, rounds=3)
    parser.add_argument("--runs", type=int, default=4, help="runs in the sweep (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="of them at once (%(default)s)")
    parser.add_argument("overrides", nargs="*", help="as for jepa_compare.train")
    arguments = parser.parse_intermixed_args()
    device = common.start(arguments)
    chosen = commands(
        arguments.runs,
        arguments.jobs,
        arguments.threads,
        arguments.device,
        arguments.overrides or list(processes.TINY),
    )
    with tempfile.TemporaryDirectory() as name:
        seconds = processes.interleave(chosen, arguments.rounds, Path(name))
    serial = seconds["one after another"]
    rows = []
    for name, values in seconds.items():
        low, median, high = common.quartiles(values)
        rows.append(
            {
                "": name,
                "s": f"{median:.1f}",
                "quartiles": f"{low:.1f} to {high:.1f}",
                "runs an hour": f"{3600 * arguments.runs / median:.0f}",
                "speed-up": common.show_ratio(common.ratio(serial, values)),
            }
        )
    common.publish(rows, {"seconds": seconds}, device, arguments.json)


if __name__ == "__main__":
    main()
