"""The wheel, where nothing else is installed."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.runs import TINY

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_a_wheel_runs_in_a_clean_environment_from_an_empty_directory(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    scripts = tmp_path / "venv" / "bin"
    install = [scripts / "python", "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, capture_output=True)
    # What it depends on is here already; an editable install there does not come along.
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def call(*line: str | Path) -> str:
        result = subprocess.run(
            line, cwd=empty, env=environment, check=False, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    where = call(scripts / "python", "-c", "import jepa_compare; print(jepa_compare.__file__)")
    assert where.startswith(str(site))
    grid = ("-m", "aux_loss=dino,none", "sweep=s", *TINY)
    call(scripts / "jepa-train", *grid, "hydra/launcher=process")
    assert call(scripts / "python", "-m", "jepa_compare.train", *grid).count("skipped") == 2
    status = call(scripts / "jepa-compare", "status", "multirun")
    assert "dino_s0_" in status and "none_s0_" in status
    assert "dino" in call(scripts / "jepa-compare", "report", "multirun")
