"""Print the floors and ceilings of a source's planning tasks: what no trained model is needed for.

    python scripts/floors.py                                      the default task
    python scripts/floors.py experiment=two_rooms_random_wall evaluation.planning.tasks=1000
    python scripts/floors.py --planners evaluation.seed=1         and the planner on true dynamics

Overrides are those of `python -m jepa_compare.train`. A column is a kind of task and a criterion
of the source, the primary one first; a number is a success rate in % with its 95 % interval
(Wilson's). Runs compute and store the same for their own tables.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from scipy.stats import binomtest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a checkout that is not installed

from jepa_compare.build import build_source, check_source, resolve_device
from jepa_compare.checks import ConfigError, exit_with_error
from jepa_compare.evaluation.planning.episodes import Outcome, play_tasks
from jepa_compare.evaluation.planning.reference_policies import PLANNERS, reference_policy
from jepa_compare.sweep.plan import parse_command_line


def rates(outcomes: dict[str, Outcome]) -> dict[str, str]:
    """Column to cell."""
    return {
        f"{kind}, {criterion}": interval(sum(successes), len(successes))
        for kind, outcome in outcomes.items()
        for criterion, successes in outcome.success.items()
    }


def interval(successes: int, n: int) -> str:
    """A rate and its Wilson interval, in %."""
    found = binomtest(successes, n)
    low, high = found.proportion_ci(method="wilson")
    return f"{100 * successes / n:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def print_floors(overrides: Sequence[str], planners: bool) -> None:
    """Play and print. Raises ConfigError for a mistake in the overrides."""
    config = parse_command_line(overrides, multirun=False).jobs[0].config
    source = build_source(config)
    check_source(config, source)
    suite = source.task_suite
    if suite is None:
        raise ConfigError(f"data={config.data['name']}: there are no planning tasks")
    device, settings = resolve_device(config.device), config.evaluation
    torch.set_num_threads(config.training.num_threads)
    names = [name for name in suite.policies if name not in PLANNERS or planners]
    rows = {}
    for name in names:
        policy = reference_policy(name, suite, settings)
        rows[name] = rates(play_tasks(suite, policy, settings, device))
    columns = list(rows[names[0]])
    print(
        f"{config.data['name']}: success in % of {settings.planning.tasks} tasks per kind and seed"
    )
    print(" " * 24 + "".join(f"{column:>21}" for column in columns))
    for name, cells in rows.items():
        print(f"{name.replace('_', ' '):24}" + "".join(f"{cells[c]:>21}" for c in columns))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--planners", action="store_true", help="minutes on the reference task")
    arguments = parser.parse_args()
    try:
        print_floors(arguments.overrides, arguments.planners)
    except ConfigError as error:
        exit_with_error(str(error))
