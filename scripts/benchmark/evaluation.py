"""Time what a run spends on evaluations: collapse metrics, probe and rollouts, the final one.

    python scripts/benchmark/evaluation.py                                the default task
    python scripts/benchmark/evaluation.py --threads 1 --device cuda aux_loss=dino

Training steps and interim evaluations alternate in one process, so that a busy machine slows both
alike. The share is of the training time between two of them: median and quartiles over rounds. The
final evaluation, of the model and of its untrained twin with the floors, is timed once, in seconds
of CPU time; pictures are apart.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common

from jepa_compare.evaluation.stored import floors_of
from jepa_compare.sweep.job import Job
from jepa_compare.training.state import TrainingState


def measure(job: Job, rounds: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows of the table, and the numbers behind them."""
    config = job.config
    settings = config.evaluation
    state = TrainingState.build(config)
    evaluator, model = state.evaluator, state.objective.model
    interim: dict[str, tuple[Callable[[], object], int]] = {
        "collapse metrics": (lambda: evaluator.collapse(model), settings.collapse_interval),
        "and probe and rollouts": (lambda: evaluator.quick(model), settings.interval),
    }
    calls: dict[str, Callable[[], object]] = {
        "training": lambda: common.train_steps(state, settings.collapse_interval)
    }
    calls |= {name: call for name, (call, _) in interim.items()}
    seconds = common.interleave(calls, rounds, state.device)
    cpu_seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, call in (
            ("final evaluation", lambda: evaluator.evaluate(model)),
            (
                "floors and untrained",
                lambda: floors_of(config, evaluator.source, evaluator, Path(folder)),
            ),
        ):
            begin = time.process_time()
            call()
            cpu_seconds[name] = time.process_time() - begin
    step = [s / settings.collapse_interval for s in seconds["training"]]
    taken = f"{common.milliseconds(step)} ms"
    rows = [{"what": "training", "time": taken, "every": "step", "share of training": ""}]
    for name, (_, interval) in interim.items():
        share = common.ratio(seconds[name], [s * interval for s in step])
        rows.append(
            {
                "what": name,
                "time": f"{common.milliseconds(seconds[name])} ms",
                "every": f"{interval} steps",
                "share of training": f"{share['median']:.2%}"
                f" [{share['low']:.2%}, {share['high']:.2%}]",
            }
        )
    rows += [
        {"what": name, "time": f"{taken:.1f} s CPU", "every": "run", "share of training": ""}
        for name, taken in cpu_seconds.items()
    ]
    return rows, {"seconds": seconds, "cpu_seconds": cpu_seconds}


def main() -> None:
    parser = common.parser(__doc__, rounds=9, threads=2)
    parser.add_argument("overrides", nargs="*", help="as for jepa_compare.train")
    arguments = parser.parse_intermixed_args()
    device = common.start(arguments)
    job = common.composed(arguments.device, arguments.threads, arguments.overrides)
    rows, numbers = measure(job, arguments.rounds)
    common.publish(rows, numbers, device, arguments.json)


if __name__ == "__main__":
    main()
