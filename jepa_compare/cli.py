"""`jepa-compare`: the subcommands of the comparison half, thin."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `jepa-compare`."""
    parser = argparse.ArgumentParser(prog="jepa-compare", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    report = commands.add_parser("report", help="compare every run below some folders")
    add_report_arguments(report)
    status = commands.add_parser("status", help="how far each run is")
    status.add_argument("paths", nargs="+", type=Path, metavar="SWEEP")
    status.add_argument("--watch", type=float, metavar="SECONDS", help="again and again")
    reproduce = commands.add_parser("reproduce", help="run a run again and compare the metrics")
    reproduce.add_argument("path", type=Path, metavar="RUN_DIR")
    reproduce.add_argument("--out", type=Path, help="keep the new run here")
    args = parser.parse_args(arguments)
    if args.command == "report":
        sys.exit(report_main(args))
    try:
        if args.command == "status":
            from jepa_compare.status import show_status

            show_status(args.paths, args.watch)
        else:
            from jepa_compare.reproduce import reproduce as run_again

            sys.exit(0 if run_again(args.path, args.out) else 1)
    except (RuntimeError, ValueError) as error:
        sys.exit(f"jepa-compare: {error}")


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that `jepa-compare report` and scripts/aggregate.py share."""
    parser.add_argument("paths", nargs="+", type=Path, help="sweeps, runs, or folders above them")
    parser.add_argument("--out", type=Path, help="default: comparison/ in the first path")


def report_main(args: argparse.Namespace) -> int:
    """Write and print the comparison; the exit status."""
    from jepa_compare.comparison import write_comparison

    try:
        print(write_comparison(args.paths, args.out))
    except ValueError as error:
        print(f"jepa-compare: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    main()
