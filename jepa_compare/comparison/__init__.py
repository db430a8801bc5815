"""The comparison half: from run directories to a verdict. Imports neither torch nor hydra."""

from jepa_compare.comparison.load import load_runs
from jepa_compare.comparison.table import write_comparison

__all__ = ["load_runs", "write_comparison"]
