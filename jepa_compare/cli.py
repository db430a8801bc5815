"""`jepa-compare`: subcommands over finished and running sweeps. Each does its imports when called.

A subcommand is a function that adds its parser to `commands` and sets `run`, a function from the
parsed arguments to an exit code.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from jepa_compare import __version__
from jepa_compare.system.streams import lost_output, steady_streams
from jepa_compare.system.terminal import escape_tracebacks, say


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `report`, shared with scripts/aggregate.py."""
    parser.add_argument("paths", nargs="+", help="run directories, sweeps, or folders above them")
    parser.add_argument("--out", help="folder for the outputs (default: PATH/comparison)")
    parser.add_argument(
        "--metric", help="what decides the conclusion, e.g. probe_rmse (default: success_detour)"
    )
    parser.add_argument("--baseline", help="compare every row with this one only")
    parser.add_argument(
        "--effect", type=float, help="smallest difference of interest (default: as configured)"
    )
    parser.add_argument(
        "--by",
        action="append",
        metavar="KEY",
        help="settings that make a row, with commas or repeated; all others are averaged over,"
        " with a warning (default: everything that was swept)",
    )
    parser.add_argument(
        "--evaluation",
        metavar="HASH",
        help="compare by evaluations/HASH.json of every run, as `jepa-compare evaluate` stores it;"
        " runs without it are left out (default: the evaluation at the end of each run)",
    )
    parser.add_argument(
        "--format",
        choices=("table", "markdown", "csv", "json", "tex"),
        default="table",
        help="what to print; all files are written in any case",
    )
    parser.add_argument("--no-html", action="store_true", help="do not write the page, report.html")
    parser.add_argument(
        "--no-figures", action="store_true", help="do not write the figures as PNG and PDF"
    )
    parser.add_argument("--open", action="store_true", help="show the page in a browser")
    parser.set_defaults(run=report)


def report(arguments: argparse.Namespace) -> int:
    """Write and print a comparison: 0 when written, 1 with one line on stderr when not."""
    from jepa_compare.report.write import write_comparison

    try:
        text = write_comparison(
            arguments.paths,
            arguments.out,
            metric=arguments.metric,
            baseline=arguments.baseline,
            evaluation=arguments.evaluation,
            effect=arguments.effect,
            by=arguments.by and [key for keys in arguments.by for key in keys.split(",")],
            format=arguments.format,
            html=not arguments.no_html,
            figures=not arguments.no_figures,
            open_page=arguments.open,
        )
    except (ValueError, OSError) as error:
        say(f"jepa-compare: {error}", file=sys.stderr)
        return 1
    print(text, end="")
    return 0


def _add_report(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add_report_arguments(
        commands.add_parser(
            "report",
            help="compare finished runs: tables, tests, figures, a page",
            description="Compare the runs of one or several sweeps.",
        )
    )


def _add_status(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("status", help="how far each run is, and what failed")
    parser.add_argument("paths", nargs="+", type=Path, help="sweeps, or folders above them")
    parser.add_argument("--watch", type=float, metavar="SECONDS", help="until nothing runs")
    parser.set_defaults(run=_status)


def _status(arguments: argparse.Namespace) -> int:
    from jepa_compare.sweep.commands.status import show_status

    try:
        show_status(arguments.paths, arguments.watch)
    except ValueError as error:
        say(f"jepa-compare: {error}", file=sys.stderr)
        return 1
    return 0


def _add_reproduce(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("reproduce", help="run a run again and compare its metrics")
    parser.add_argument("path", type=Path, metavar="RUN_DIR")
    parser.add_argument("--out", type=Path, help="keep the new run here")
    parser.add_argument("--trust", action="store_true", help="import the code that it names")
    parser.set_defaults(run=_reproduce)


def _reproduce(arguments: argparse.Namespace) -> int:
    from jepa_compare.sweep.commands.reproduce import reproduce

    try:
        return 0 if reproduce(arguments.path, arguments.out, trust=arguments.trust) else 1
    except (RuntimeError, ValueError, OSError) as error:
        say(f"jepa-compare: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


def _add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "evaluate",
        help="evaluate finished runs again: another planner, more tasks, another seed",
        add_help=False,  # reevaluate.main has its own
        prefix_chars="\0",  # and its own options: nothing is one here
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    parser.set_defaults(run=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    from jepa_compare.sweep.commands.evaluate import main

    main(arguments.arguments, prog="jepa-compare evaluate")
    return 0


def _add_plan(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("plan", help="how many seeds would decide a sweep's pairs")
    parser.add_argument("paths", nargs="+", help="sweeps, or folders above them")
    parser.add_argument("--metric", help="what is compared (default: as in the report)")
    parser.add_argument(
        "--effect",
        type=float,
        help="the difference to find, in the metric's unit (default: the runs'"
        " evaluation.smallest_effect)",
    )
    parser.add_argument("--power", type=float, default=0.8, help="default: %(default)s")
    parser.set_defaults(run=_plan)


def _plan(arguments: argparse.Namespace) -> int:
    from jepa_compare.report.plan import write_plan

    options = {name: getattr(arguments, name) for name in ("metric", "effect", "power")}
    try:
        print(write_plan(arguments.paths, **options), end="")
    except (ValueError, OSError) as error:
        print(f"jepa-compare: {error}", file=sys.stderr)
        return 1
    return 0


_SUBCOMMANDS = (_add_report, _add_plan, _add_evaluate, _add_status, _add_reproduce)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit code."""
    steady_streams()
    parser = argparse.ArgumentParser(
        prog="jepa-compare", description="Compare runs of jepa_compare.train."
    )
    parser.add_argument("--version", action="version", version=f"jepa_compare {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in _SUBCOMMANDS:
        add(commands)
    return run(parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> int:
    """Do what was parsed; an exit code of 0 says that all of it was also printed."""
    escape_tracebacks()
    code = arguments.run(arguments)
    lost = lost_output()
    if lost is not None:
        say(f"jepa-compare: {lost}", file=sys.stderr)
    return code or int(lost is not None)


if __name__ == "__main__":
    sys.exit(main())
