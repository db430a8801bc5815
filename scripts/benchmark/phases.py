"""Run `jepa_compare.train` in this process and say what each phase of it took.

    python scripts/benchmark/phases.py FILE OVERRIDE...      as answer.py starts it

FILE gets, as JSON, phase -> [CPU seconds, wall seconds], child processes included. A phase is the
time in the functions named below without that in one of another phase that they call; all the rest
is imports, composition and checks.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REST = "import, compose"
FUNCTIONS = {
    "training": ("jepa_compare.training.loop", "train"),
    "interim evaluations": ("jepa_compare.training.loop", "interim_evaluation"),
    "final evaluation": ("jepa_compare.training.finish", "evaluate"),
    "figures": ("jepa_compare.evaluation.pictures.draw", "draw_figures"),
    "untrained evaluation": ("jepa_compare.evaluation.stored", "floors_of"),
    "floors": ("jepa_compare.evaluation.floors", "reference_floors"),
    "comparison": ("jepa_compare.report.write", "write_comparison"),
}
DOORS = ("jepa_compare.sweep.commands.train", "jepa_compare.sweep.run_job", "jepa_compare.report")


class Phases:
    """Whose time it is: that of the innermost phase."""

    def __init__(self) -> None:
        self.taken = {name: [0.0, 0.0] for name in (REST, *FUNCTIONS)}
        self.inside = [REST]
        self.last = (0.0, time.perf_counter())

    def count(self) -> None:
        """Give what has passed since the last call to the phase that is on."""
        spent = os.times()
        now = (sum(spent[:4]), time.perf_counter())
        for k in range(2):
            self.taken[self.inside[-1]][k] += now[k] - self.last[k]
        self.last = now

    def timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.count()
            self.inside.append(phase)
            try:
                return function(*arguments, **named)
            finally:
                self.count()
                self.inside.pop()

        return call


def install(phases: Phases) -> None:
    """Replace each function wherever it has been imported to. Raises AttributeError for a commit
    that has none of that name."""
    for door in DOORS:
        importlib.import_module(door)
    for phase, (module, name) in FUNCTIONS.items():
        function = getattr(importlib.import_module(module), name)
        timed = phases.timed(phase, function)
        for imported in [m for key, m in sys.modules.items() if key.startswith("jepa_compare")]:
            for key, value in list(vars(imported).items()):
                if value is function:
                    setattr(imported, key, timed)


def main() -> None:
    phases, file = Phases(), Path(sys.argv.pop(1))
    install(phases)
    from jepa_compare.train import main as train

    try:
        train()
    finally:
        phases.count()
        file.write_text(json.dumps(phases.taken))


if __name__ == "__main__":
    main()
