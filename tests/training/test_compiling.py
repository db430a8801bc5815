"""`training.compile`: what is compiled, how often, and what `auto` decides by."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from jepa_compare.latents import Batch
from jepa_compare.runs.layout import SUMMARY
from jepa_compare.system.files import read_json
from jepa_compare.training.compiling import choose
from tests.support.runs import TINY, built, command, rows

LOSSES = ("none", "vicreg", "barlow_twins", "dino", "sigreg")
# In a process of its own: the checks of shapes that the other tests run under would be compiled
# too. Dynamo's part is real, the compiler behind it only counts.
SWEEP = """
import json, sys
import torch
from torch._dynamo.testing import CompileCounter
from jepa_compare.training.step import training_step
from tests.support.runs import built

counter, real = CompileCounter(), torch.compile
torch.compile = lambda module, mode: real(module, backend=counter)
graphs = {}
for loss in sys.argv[1:]:
    torch.compiler.reset()
    counter.frame_count = 0
    for seed in (0, 1, 2):
        lr = f"training.lr={1e-3 * (seed + 1)}"
        state = built(f"aux_loss={loss}", f"seed={seed}", lr, "training.compile=default")
        state.compile()
        for state.step in range(2):
            training_step(state, state.batch(state.step), measure_gradients=False)
    graphs[loss] = counter.frame_count
print(json.dumps(graphs))
"""


AUTO = """
import torch
from torch._dynamo.testing import CompileCounter
from jepa_compare.training.step import training_step
from tests.support.runs import built

counter, real = CompileCounter(), torch.compile
torch.compile = lambda module, mode: real(module, backend=counter)
state = built("training.precision=bfloat16", "training.compile=auto")
state.compile()
measured = counter.frame_count
state.compile_mode = "default"  # whatever was chosen
state.compile()
for state.step in range(2):
    training_step(state, state.batch(state.step), measure_gradients=False)
print(measured, counter.frame_count)
"""


@pytest.mark.slow
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


@pytest.mark.slow
def test_jobs_of_a_sweep_share_one_graph_without_breaks() -> None:
    graphs = dict.fromkeys(LOSSES, 1) | {"dino_paper": 2}  # with its prototypes frozen, and without
    assert json.loads(output_of(SWEEP, *graphs)) == graphs


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Timed(torch.nn.Module):
    """Nothing but a parameter; a call takes `seconds`, and the first one `more`."""

    def __init__(self, clock: Clock, seconds: float, more: float = 0.0) -> None:
        super().__init__()
        self.clock, self.seconds, self.more = clock, seconds, more
        self.weight = torch.nn.Parameter(torch.ones(()))

    def __deepcopy__(self, memo: Any) -> "Timed":
        return self  # its clock is the test's

    def forward(self, batch: Batch) -> Any:
        self.clock.now += self.seconds + self.more
        self.more = 0.0
        return SimpleNamespace(total=self.weight * 1.0)


@pytest.mark.parametrize(
    ("eager", "fast", "compilation", "steps", "chosen"),
    [
        (1.0, 0.5, 100.0, 600, "default"),
        (1.0, 0.5, 100.0, 150, "off"),  # it would not pay for its own compilation
        (1.0, 1.1, 0.0, 600, "off"),
    ],
)
def test_auto_weighs_the_time_per_step_against_the_compilation(
    eager: float, fast: float, compilation: float, steps: int, chosen: str
) -> None:
    clock = Clock()

    def compile(module: torch.nn.Module, mode: str) -> Timed:
        return Timed(clock, fast, more=compilation)

    batch = Batch(obs=torch.zeros(1, 2, 1, 8, 8), actions=None)
    objective = Timed(clock, eager)
    assert choose(objective, batch, steps, "float32", compile=compile, clock=clock) == chosen


def test_auto_says_why_it_does_not_compile(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(module: torch.nn.Module, mode: str) -> Any:
        raise RuntimeError("no C++ compiler\nwith a long trace")

    state = built()
    before = {key: value.clone() for key, value in state.objective.state_dict().items()}
    with caplog.at_level(logging.WARNING):
        batch = state.batch(0)
        assert choose(state.objective, batch, 10, "float32", compile=refuse) == "off"
    after = state.objective.state_dict()
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
