"""Compare the runs of one or several sweeps: `python scripts/aggregate.py multirun/`."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a checkout that is not installed

from jepa_compare.cli import add_report_arguments, run
from jepa_compare.system.streams import steady_streams

if __name__ == "__main__":
    steady_streams()
    parser = argparse.ArgumentParser(description=__doc__)
    add_report_arguments(parser)
    sys.exit(run(parser.parse_args()))
