"""Time what a run spends on looking: collapse metrics, probe and rollouts, the final evaluation.

    python scripts/benchmark/evaluation.py                                the default task
    python scripts/benchmark/evaluation.py training.num_threads=1 aux_loss=dino device=cuda

Training steps and looks alternate in one process, so that a busy machine slows both alike. The
share is of the training time between two looks: median and quartiles over rounds. The final
evaluation, of the model and of its untrained twin with the floors, is timed once; pictures are
apart.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from common import interleave, milliseconds, ratio, show_ratio

from jepa_compare.assess import floors_of
from jepa_compare.compose import understand
from jepa_compare.interrupts import Interrupts
from jepa_compare.run_writer import RunWriter
from jepa_compare.tracking import Tracker
from jepa_compare.train import Training

ROUNDS = 9


def measure(training: Training, directory: Path) -> None:
    config, evaluator, model = training.config, training.evaluator, training.objective.model
    settings, device = config.evaluation, training.device

    def steps() -> None:
        for _ in range(settings.collapse_interval):
            training.optimisation_step(training.objective, False)
            training.step += 1

    calls: dict[str, tuple[Callable[[], object], int]] = {
        "training": (steps, settings.collapse_interval),
        "collapse metrics": (lambda: evaluator.collapse(model), settings.collapse_interval),
        "and probe and rollouts": (lambda: evaluator.quick(model), settings.interval),
    }
    seconds = interleave({name: call for name, (call, _) in calls.items()}, ROUNDS, device)
    step = milliseconds([s / settings.collapse_interval for s in seconds["training"]])
    print(f"{step} ms for a training step, {config.training.num_threads} threads, {device}")
    for name, (_, interval) in list(calls.items())[1:]:
        whole = [s * interval / settings.collapse_interval for s in seconds["training"]]
        share = {key: 100 * value for key, value in ratio(seconds[name], whole).items()}
        taken = milliseconds(seconds[name])
        print(f"{name:23} {taken:>7} ms every {interval} steps: {show_ratio(share)} %")
    for name, call in (
        ("final evaluation", lambda: evaluator.evaluate(model)),
        ("floors and untrained", lambda: floors_of(config, training.world, evaluator, directory)),
    ):
        begin = time.process_time()
        call()
        print(f"{name:23} {time.process_time() - begin:7.1f} s of CPU time")


def main() -> None:
    if "--help" in sys.argv or "-h" in sys.argv:
        sys.exit(__doc__)
    job = understand([*sys.argv[1:], "tracking=disabled"], multirun=False).jobs[0]
    config = job.config
    with (
        tempfile.TemporaryDirectory() as name,
        RunWriter(Path(name) / "run", job.identity, config.training.steps) as writer,
        Tracker(
            config.tracking,
            directory=Path(name),
            sweep="benchmark",
            run_name="benchmark",
            name="benchmark",
            plain_config={},
        ) as tracker,
    ):
        training = Training(config, job.identity, writer, tracker, Interrupts())
        measure(training, Path(name) / "floors")


if __name__ == "__main__":
    main()
