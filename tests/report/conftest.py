"""A sweep of every kind of row, with its page: drawn once for the tests of the page."""

from pathlib import Path

import pytest

from jepa_compare.comparison import compare, load_runs
from jepa_compare.report.draw import draw_comparison
from jepa_compare.runs import layout
from tests.support.synthetic import DEFAULT_LOSSES, Loss, Sweep, write_run

EVIL = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"


@pytest.fixture(scope="session")
def drawn_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows that are healthy, collapsed, diverged, failed, damaged, and one that is called markup;
    in comparison/ nothing but report.html."""
    path = tmp_path_factory.mktemp("sweeps") / "a"
    Sweep(path=path, figures=True).write()
    vicreg, dino = DEFAULT_LOSSES["vicreg"], DEFAULT_LOSSES["dino"]
    write_run(path, loss=dino, seed=3, status="diverged")
    write_run(path, loss=vicreg, seed=3, state="failed", exception=("OSError", EVIL))
    for seed in range(3):
        evil = Loss(name=EVIL, success=vicreg.success, probe_rmse=0.4)
        write_run(path, loss=evil, seed=seed, name=f"evil_{seed}")
    (path / "lost").mkdir()
    (path / "lost" / layout.CONFIG).write_text("{")
    out = path / layout.COMPARISON
    comparison = compare(load_runs(path))
    failures = draw_comparison(comparison, out, html=True, figures=False, command="again & again")
    assert failures == []
    assert [file.name for file in out.iterdir()] == ["report.html"]
    return path
