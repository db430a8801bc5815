"""Write a comparison: tables, report.html, and every figure as PNG and PDF.

from jepa_compare.report import write_comparison

print(write_comparison(["multirun/"]))
"""

from jepa_compare.report.write import write_comparison

__all__ = ["write_comparison"]
