"""Compare finished runs: load run directories, test differences, write tables and a report.

    from jepa_compare.comparison import load_runs, compare

    comparison = compare(load_runs("multirun/"))
    print(*comparison.conclusion, sep="\\n")
    for row in comparison.rows:
        print(row.label, comparison.estimate(row, "eval/success_detour").interval)

Needs neither torch nor hydra. `jepa_compare.report` writes tables, figures and the page.
"""

from jepa_compare.comparison.compare import compare
from jepa_compare.comparison.loading.load import NoRunsError, load_runs
from jepa_compare.comparison.results import Comparison
from jepa_compare.comparison.runs import Run, Runs

__all__ = [
    "Comparison",
    "NoRunsError",
    "Run",
    "Runs",
    "compare",
    "load_runs",
]
