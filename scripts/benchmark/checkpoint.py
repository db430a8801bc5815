"""What checkpoints cost: their share of the training time at the default task's own interval.

    python scripts/benchmark/checkpoint.py [training.num_threads=1 aux_loss=dino ...]

One process, one training; every round is a few steps and one checkpoint, interleaved. The share is
the checkpoint's time over that of `training.checkpoint_interval` steps; the aim is below 3 %.
"""

import sys
import tempfile
from pathlib import Path

from common import interleave, milliseconds, publish, ratio

from jepa_compare import run_dir
from jepa_compare.compose import understand
from jepa_compare.interrupts import Interrupts
from jepa_compare.run_writer import RunWriter
from jepa_compare.tracking import Tracker
from jepa_compare.train import Training

ROUNDS, STEPS = 21, 10


def main() -> None:
    """Measure and print."""
    (job,) = understand([*sys.argv[1:], "tracking=disabled"], multirun=False).jobs
    interval = job.config.training.checkpoint_interval
    with tempfile.TemporaryDirectory(dir=".") as folder:  # on the disk of the runs, no tmpfs
        directory = Path(folder)
        tracker = Tracker(
            job.config.tracking,
            directory=directory,
            sweep="",
            run_name="",
            name="",
            plain_config={},
        )
        with RunWriter(directory, job.identity, job.config.training.steps) as writer:
            training = Training(job.config, job.identity, writer, tracker, Interrupts())

            def steps() -> None:
                for _ in range(STEPS):
                    training.optimisation_step(training.objective, measure=False)
                    training.step = (training.step + 1) % job.config.training.steps

            calls = {"steps": steps, "checkpoint": training.save}
            seconds = interleave(calls, ROUNDS, training.device)
            size = (directory / run_dir.CHECKPOINT).stat().st_size
    share = ratio(seconds["checkpoint"], [s * interval / STEPS for s in seconds["steps"]])
    row = {
        "loss": job.config.aux_loss["name"],
        "checkpoint": f"{size / 1e6:.1f} MB",
        "every": f"{interval} steps",
        "step (ms)": milliseconds([s / STEPS for s in seconds["steps"]]),
        "checkpoint (ms)": milliseconds(seconds["checkpoint"]),
        "share of training": f"{share['median']:.2%} [{share['low']:.2%}, {share['high']:.2%}]",
    }
    publish([row], {}, training.device, None)


if __name__ == "__main__":
    main()
