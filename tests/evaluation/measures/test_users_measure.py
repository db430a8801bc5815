"""A measure in a user's own package, named on the command line, is described everywhere."""

from pathlib import Path

from jepa_compare.comparison import compare, load_runs
from jepa_compare.report.figures.scores import downstream_figure, score_figure
from jepa_compare.runs import layout
from jepa_compare.system import files
from tests.support.runs import command, rows

MEASURE = """
import torch

from jepa_compare.evaluation import Measure
from jepa_compare.metrics import Metric


class Speed(Measure):
    \"\"\"How far a latent moves in a frame.\"\"\"

    metrics = (
        Metric(
            key="eval/speed",
            label="latent speed",
            unit="m/s",
            better="lower",
            downstream=True,
            low=0.0,
            about="mean distance between the latents of neighbouring frames",
        ),
    )
    cadence = "interval"

    def __init__(self, *, seconds_per_frame: float) -> None:
        self.seconds_per_frame = seconds_per_frame

    def measure(self, context):
        steps = torch.cat([z.diff(dim=1) for z in context.latents])
        return {"eval/speed": steps.norm(dim=-1).mean() / self.seconds_per_frame}
"""
NODE = "evaluation.measures.speed"


def test_label_unit_and_direction_are_in_every_output(tmp_path: Path) -> None:
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "__init__.py").touch()
    (tmp_path / "my_lab" / "measures.py").write_text(MEASURE)
    result = command(
        "-m",
        "aux_loss=vicreg,none",
        f"+{NODE}._target_=my_lab.measures.Speed",
        f"+{NODE}.seconds_per_frame=0.1",
        "sweep=mine",
        cwd=tmp_path,
    )
    sweep = tmp_path / "multirun" / "mine"
    assert "latent speed (m/s) ↓" in result.stdout
    written = sweep / layout.COMPARISON
    for name in ("comparison.md", "report.html"):
        text = (written / name).read_text().replace("\N{NO-BREAK SPACE}", " ")
        assert "latent speed (m/s) ↓" in text
    (described,) = (
        metric
        for metric in files.read_json(written / "comparison.json")["metrics"]
        if metric["key"] == "eval/speed"
    )
    assert described["better"] == "lower" and described["unit"] == "m/s"

    comparison = compare(load_runs(sweep), metric="latent speed")
    assert comparison.primary.about.startswith("mean distance between")
    assert all(comparison.estimate(row, "eval/speed").n == 1 for row in comparison.rows)
    assert "eval/speed" in rows(comparison.runs.runs[0].path)[0]  # measured at intervals too
    drawn = [downstream_figure(compare(load_runs(sweep))), score_figure(comparison)]
    panels = [panel for figure in drawn if figure is not None for panel in figure.panels]
    assert [panel.title for panel in panels].count("latent speed (m/s)") == 2
