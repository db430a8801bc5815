"""The property tests with new random examples: the default suite draws the same ones every time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.mark.slow
def test_property_tests_hold_for_new_examples() -> None:
    files = [path for path in TESTS.rglob("test_*.py") if "\n@given(" in path.read_text()]
    assert len(files) >= 3
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, files)],
        cwd=TESTS.parent,
        env=os.environ | {"HYPOTHESIS_PROFILE": "random"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
