"""The comparison half as a library: public names, no torch, quick to start."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jepa_compare import comparison
from tests.support.synthetic import Sweep

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "hydra", "omegaconf", "pandas", "matplotlib", "wandb", "scipy", "jinja2")


def python(code: str, *arguments: str) -> str:
    """What a fresh interpreter prints."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


LIBRARY = """
import sys
for name in ("torch", "hydra", "omegaconf", "wandb", "pandas"):
    sys.modules[name] = None  # an import of it fails

from jepa_compare.comparison import compare, load_runs
from jepa_compare.report import write_comparison

comparison = compare(load_runs(sys.argv[1]))
print(*comparison.conclusion, sep="\\n")
for row in comparison.rows:
    print(row.label, comparison.estimate(row, "eval/success_detour").interval)
write_comparison([sys.argv[1]])
"""


def test_a_laptop_without_torch_builds_the_report(tmp_path: Path) -> None:
    path = Sweep(path=tmp_path, seeds=range(3)).write()
    text = python(LIBRARY, str(path))
    assert "by detour success" in text
    assert re.search(r"^vicreg \(0\.\d+, \d\.\d+\)$", text, re.MULTILINE)
    assert (path / "comparison" / "comparison.json").exists()


def test_the_public_names_are_documented() -> None:
    for name in comparison.__all__:
        assert getattr(comparison, name).__doc__, name
    assert comparison.__doc__ is not None
    assert "from jepa_compare.comparison import load_runs, compare" in comparison.__doc__


@pytest.mark.parametrize(
    "code",
    [
        "import sys, runpy; sys.argv = ['aggregate.py', '--help']\n"
        f"try: runpy.run_path({str(ROOT / 'scripts' / 'aggregate.py')!r}, run_name='__main__')\n"
        "except SystemExit: pass\n",
        "from jepa_compare.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n",
        "from jepa_compare.cli import main\n"
        "try: main(['report', '--help'])\nexcept SystemExit: pass\n",
    ],
    ids=["aggregate", "jepa-compare", "report"],
)
def test_help_imports_nothing_heavy(code: str) -> None:
    """A time would depend on the machine; what takes it are these imports."""
    text = python(code + f"import sys; print(sorted({set(HEAVY)!r} & set(sys.modules)))")
    assert text.splitlines()[-1] == "[]"
    assert "usage: " in text


def test_importing_the_library_brings_no_torch() -> None:
    light = [name for name in HEAVY if name not in ("jinja2", "matplotlib")]
    code = f"import jepa_compare.comparison, sys; print(sorted(set({light!r}) & set(sys.modules)))"
    assert python(code).strip() == "[]"
