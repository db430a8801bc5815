"""What checkpoints cost: their share of the training time at the default task's own interval.

    python scripts/benchmark/checkpoint.py [aux_loss=dino training.checkpoint_interval=50 ...]

One process, one training; every round is `interval` steps and the checkpoint that follows them.
Reported: the time of the checkpoint over that of its steps, median over the rounds, and quartiles.
The aim is below 3 %.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from jepa_compare import run_dir
from jepa_compare.compose import understand
from jepa_compare.interrupts import Interrupts
from jepa_compare.run_writer import RunWriter
from jepa_compare.tracking import Tracker
from jepa_compare.train import Training

ROUNDS = 11


def main() -> None:
    """Measure and print."""
    (job,) = understand([*sys.argv[1:], "tracking=disabled"], multirun=False).jobs
    interval = job.config.training.checkpoint_interval
    with tempfile.TemporaryDirectory(dir=".") as folder:  # where runs are written, not a tmpfs
        directory = Path(folder)
        tracker = Tracker(
            job.config.tracking,
            directory=directory,
            sweep="",
            run_name="",
            name="",
            plain_config={},
        )
        with RunWriter(directory, job.identity, ROUNDS * interval) as writer:
            training = Training(job.config, job.identity, writer, tracker, Interrupts())
            step_times, save_times = [], []
            for number in range(ROUNDS + 1):  # the first round warms up
                started = time.perf_counter()
                for step in range(number * interval, (number + 1) * interval):
                    training.step = step % job.config.training.steps
                    training.optimisation_step(training.objective, measure=False)
                training.raise_if_diverged()  # waits for the device
                trained = time.perf_counter()
                training.save()
                saved = time.perf_counter()
                if number:
                    step_times.append(trained - started)
                    save_times.append(saved - trained)
            size = (directory / run_dir.CHECKPOINT).stat().st_size
    shares = [save / steps for save, steps in zip(save_times, step_times, strict=True)]
    low, _, high = statistics.quantiles(shares, n=4)
    print(
        f"{job.config.aux_loss['name']} on {training.device}: a checkpoint of {size / 1e6:.1f} MB"
        f" every {interval} steps costs {statistics.median(shares):.2%} of the training"
        f" ({low:.2%} to {high:.2%} in half of {ROUNDS} rounds); {interval} steps"
        f" {statistics.median(step_times):.2f} s, checkpoint"
        f" {1e3 * statistics.median(save_times):.0f} ms"
    )


if __name__ == "__main__":
    main()
