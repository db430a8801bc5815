"""Compare finished sweeps: python scripts/aggregate.py multirun/"""

import argparse
import sys

from jepa_compare.cli import add_report_arguments, report_main

parser = argparse.ArgumentParser(description=__doc__)
add_report_arguments(parser)
sys.exit(report_main(parser.parse_args()))
