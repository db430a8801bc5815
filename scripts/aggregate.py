"""Compare the runs of one or several sweeps: `python scripts/aggregate.py multirun/`."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a checkout that is not installed

from jepa_compare.cli import add_report_arguments

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    add_report_arguments(parser)
    arguments = parser.parse_args()
    sys.exit(arguments.run(arguments))
