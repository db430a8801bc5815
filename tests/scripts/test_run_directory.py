"""The page on the run directory is made of the records."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_todays() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "run_directory.py"))
    page = (ROOT / "docs" / "run_directory.md").read_text()
    assert script["page"]() == page, "run python scripts/run_directory.py"
