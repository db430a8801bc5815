"""What checkpoints cost: their share of the training time at the default task's own interval.

    python scripts/benchmark/checkpoint.py [--threads 1] [aux_loss=dino ...]

One process, one training; every round is a few steps and one checkpoint, interleaved. The share is
the checkpoint's time over that of `training.checkpoint_interval` steps; the aim is below 3 %.
Checkpoints are written to the system's folder for temporary files: where that is in memory, set
TMPDIR to one on the disk of the runs.
"""

import tempfile
from pathlib import Path
from typing import Any

import common

from jepa_compare.runs import layout
from jepa_compare.sweep.job import Job
from jepa_compare.training import checkpoint
from jepa_compare.training.state import TrainingState

STEPS = 10


def measure(job: Job, rounds: int) -> dict[str, Any]:
    """The row of the table, with its numbers."""
    interval, run_hash = job.config.training.checkpoint_interval, job.identity.hash
    state = TrainingState.build(job.config)
    with tempfile.TemporaryDirectory() as folder:

        def save() -> None:
            state.finite.check()
            content = state.to_checkpoint(run_hash=run_hash, metrics_bytes=0)
            checkpoint.save(Path(folder), content)

        calls = {"steps": lambda: common.train_steps(state, STEPS), "checkpoint": save}
        seconds = common.interleave(calls, rounds, state.device)
        size = (Path(folder) / layout.CHECKPOINT).stat().st_size
    share = common.ratio(seconds["checkpoint"], [s * interval / STEPS for s in seconds["steps"]])
    return {
        "loss": job.config.aux_loss["name"],
        "checkpoint": f"{size / 1e6:.1f} MB",
        "every": f"{interval} steps",
        "step (ms)": common.milliseconds([s / STEPS for s in seconds["steps"]]),
        "checkpoint (ms)": common.milliseconds(seconds["checkpoint"]),
        "share of training": f"{share['median']:.2%} [{share['low']:.2%}, {share['high']:.2%}]",
        "numbers": {"seconds": seconds, "steps": STEPS, "bytes": size},
    }


def main() -> None:
    parser = common.parser(__doc__, rounds=21, threads=2)
    parser.add_argument("overrides", nargs="*", help="as for jepa_compare.train")
    arguments = parser.parse_intermixed_args()
    device = common.start(arguments)
    job = common.composed(arguments.device, arguments.threads, arguments.overrides)
    row = measure(job, arguments.rounds)
    numbers = row.pop("numbers")
    common.publish([row], numbers, device, arguments.json)


if __name__ == "__main__":
    main()
