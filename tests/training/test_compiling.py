"""`training.compile`: what is compiled, how often, and what `auto` decides by."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from jepa_compare.latents import Batch
from jepa_compare.runs.layout import SUMMARY
from jepa_compare.system.files import read_json
from jepa_compare.training import compiling
from jepa_compare.training.compiling import choose
from tests.support.runs import TINY, command, rows, training

LOSSES = ("none", "vicreg", "barlow_twins", "dino", "sigreg")
# In a process of its own: the checks of shapes that the other tests run under would be compiled
# too. Dynamo's part is real, the compiler behind it only counts.
SWEEP = """
import json, sys, tempfile
from pathlib import Path
import torch
from torch._dynamo.testing import CompileCounter
from jepa_compare.training.compiling import compiled
from tests.support.runs import training

counter, real = CompileCounter(), torch.compile
torch.compile = lambda module, mode: real(module, backend=counter)
graphs = {}
for loss in sys.argv[1:]:
    torch.compiler.reset()
    counter.frame_count = 0
    for seed in (0, 1, 2):
        overrides = (f"aux_loss={loss}", f"seed={seed}", f"training.lr={1e-3 * (seed + 1)}")
        with tempfile.TemporaryDirectory() as name, training(Path(name) / "run", *overrides) as job:
            forward = compiled(job.objective, "default")
            for step in range(2):
                job.step = step
                job.optimisation_step(forward, False)
    graphs[loss] = counter.frame_count
print(json.dumps(graphs))
"""


AUTO = """
import sys, tempfile
from pathlib import Path
import torch
from torch._dynamo.testing import CompileCounter
from jepa_compare.training.compiling import choose, compiled
from tests.support.runs import training

counter, real = CompileCounter(), torch.compile
torch.compile = lambda module, mode: real(module, backend=counter)
override = "training.precision=bfloat16"
with tempfile.TemporaryDirectory() as name, training(Path(name) / "run", override) as job:
    choose(job.objective, job.batch(0), 20, job.config.training.precision)
    measured = counter.frame_count
    forward = compiled(job.objective, "default")
    for job.step in range(2):
        job.optimisation_step(forward, False)
print(measured, counter.frame_count)
"""


def test_auto_measures_the_program_that_the_steps_run_under_bfloat16() -> None:
    assert output_of(AUTO).split() == ["1", "1"]


def output_of(code: str, *arguments: str) -> str:
    """The last line that a Python process prints."""
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()[-1]


def test_jobs_of_a_sweep_share_one_graph_without_breaks() -> None:
    assert json.loads(output_of(SWEEP, *LOSSES)) == dict.fromkeys(LOSSES, 1)


class Objective(torch.nn.Module):
    """Nothing but a parameter; it takes as long as the test says."""

    def __init__(self, clock: "Clock", seconds: float) -> None:
        super().__init__()
        self.clock, self.seconds = clock, seconds
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, batch: Any) -> Any:
        self.clock.now += self.seconds
        return type("Output", (), {"total": self.weight * 1.0})()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("eager", "fast", "compilation", "steps", "chosen"),
    [
        (1.0, 0.5, 100.0, 600, "default"),
        (1.0, 0.5, 100.0, 150, "off"),  # it would not pay for its own compilation
        (1.0, 1.1, 0.0, 600, "off"),
    ],
)
def test_auto_weighs_the_time_per_step_against_the_compilation(
    eager: float,
    fast: float,
    compilation: float,
    steps: int,
    chosen: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(compiling, "time", clock)

    class Compiled(Objective):
        def forward(self, batch: Any) -> Any:
            output = super().forward(batch)
            if not getattr(self, "warm", False):
                self.warm = True
                self.clock.now += compilation
            return output

    monkeypatch.setattr(compiling, "compiled", lambda module, mode: Compiled(clock, fast))
    monkeypatch.setattr(compiling.copy, "deepcopy", lambda module: module)
    batch = Batch(obs=torch.zeros(1, 2, 1, 8, 8), actions=None)
    assert choose(Objective(clock, eager), batch, steps, "float32") == chosen


def test_auto_says_why_it_does_not_compile(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    def refuses(module: torch.nn.Module, mode: str) -> Any:
        raise RuntimeError("no C++ compiler\nwith a long trace")

    monkeypatch.setattr(compiling, "compiled", refuses)
    with training(tmp_path / "run") as made, caplog.at_level(logging.WARNING):
        before = {key: value.clone() for key, value in made.objective.state_dict().items()}
        assert choose(made.objective, made.batch(0), 10, "float32") == "off"
        after = made.objective.state_dict()
        assert all(torch.equal(before[key], after[key]) for key in before)
    assert "does not compile (no C++ compiler); off" in caplog.text


def losses_of_a_run(folder: Path, mode: str, *overrides: str) -> list[float]:
    """The training loss of every step, of the program as a user starts it."""
    every_step = ("training.steps=6", "training.log_interval=1", f"training.compile={mode}")
    command(f"hydra.run.dir={mode}", cwd=folder, tiny=(*TINY, *every_step, *overrides))
    assert read_json(folder / mode / SUMMARY)["compile"] == mode
    return [row["train/loss"] for row in rows(folder / mode) if "train/loss" in row]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("loss", ["vicreg", "sigreg"])
def test_compiled_steps_train_like_eager_ones(tmp_path: Path, loss: str) -> None:
    eager, fast = (losses_of_a_run(tmp_path, m, f"aux_loss={loss}") for m in ("off", "default"))
    assert len(eager) == 6
    assert fast == pytest.approx(eager, rel=1e-3)


@pytest.mark.gpu
@pytest.mark.timeout(900)
@pytest.mark.parametrize("loss", LOSSES)
def test_cuda_graphs_train_like_eager_steps(tmp_path: Path, loss: str) -> None:
    overrides = (f"aux_loss={loss}", "device=cuda")
    eager, fast = (losses_of_a_run(tmp_path, m, *overrides) for m in ("off", "cudagraphs"))
    assert fast == pytest.approx(eager, rel=5e-2)
