"""Constructed latents through the real measures, judged as docs/health_status.md says.

Shape legend: n frames, d latent dimensions.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from jepa_compare.data import TwoRooms
from jepa_compare.evaluation.health_status import BETTER_BY, run_notes, run_status
from jepa_compare.evaluation.held_out import sample_held_out
from jepa_compare.evaluation.measures.collapse import CollapseMeasure
from jepa_compare.evaluation.measures.context import EvaluationContext
from jepa_compare.evaluation.measures.probe import ProbeMeasure
from jepa_compare.evaluation.world_model import WorldModel
from jepa_compare.metrics import COLLAPSED_SPREAD, PROBE_SET, SPREAD
from jepa_compare.models.encoders import ConvEncoder
from jepa_compare.rng import generator, seeded
from tests.evaluation.conftest import PositionModel
from tests.support.settings import load_settings

CPU = torch.device("cpu")
D = 128  # of the default encoder
DOC = Path(__file__).parents[2] / "docs" / "health_status.md"
Latents = Callable[[torch.Tensor, torch.Tensor, torch.Generator], torch.Tensor]
"""From frames, positions (n × 2, each coordinate of about mean 0 and standard deviation 1) and
draws to latents n × d."""


def fixed(rows: int, columns: int, name: str) -> torch.Tensor:
    return torch.randn(rows, columns, generator=generator(0, f"evaluation/{name}")).double()


def noise(p: torch.Tensor, columns: int, draws: torch.Generator) -> torch.Tensor:
    return torch.randn(len(p), columns, generator=draws).double()


def padded(p: torch.Tensor) -> torch.Tensor:
    return torch.cat([p, p.new_zeros(len(p), D - p.shape[1])], dim=1)


def rich(p: torch.Tensor) -> torch.Tensor:
    """The position and smooth functions of it, every latent dimension of its own direction."""
    waves = torch.sin(p @ fixed(2, D - 2, "waves") * 2 + fixed(1, D - 2, "phases"))
    return torch.cat([p, waves], dim=1)


def loud(p: torch.Tensor) -> torch.Tensor:
    return torch.cat([10 * rich(p)[:, :1], rich(p)[:, 1:]], dim=1)


def spoiled(p: torch.Tensor, value: float) -> torch.Tensor:
    z = rich(p)
    z[0, 0] = value
    return z


def random_encoder(seed: int) -> Latents:
    with seeded(seed, "init"):
        encoder = ConvEncoder(obs_shape=(1, 32, 32), dim=D, channels=[32, 64], groups=8).eval()
    return lambda obs, p, draws: encoder(obs)


CASES: dict[str, Latents] = {
    "constant": lambda obs, p, draws: torch.ones(len(p), D),
    "zero": lambda obs, p, draws: torch.zeros(len(p), D),
    "constant, with noise a thousandth as large": lambda obs, p, draws: (
        1 + 1e-3 * noise(p, D, draws)
    ),
    "one number of noise in every dimension": lambda obs, p, draws: (
        noise(p, 1, draws) @ fixed(1, D, "one")
    ),
    "noise of full rank": lambda obs, p, draws: noise(p, D, draws),
    "the untouched random encoder": random_encoder(0),
    "another random encoder": random_encoder(1),
    "one coordinate alone": lambda obs, p, draws: p[:, :1] @ fixed(1, D, "one"),
    "position under noise of a fifth of its size": lambda obs, p, draws: padded(
        p + 0.2 * noise(p, 2, draws)
    ),
    "position under noise of a tenth of its size": lambda obs, p, draws: padded(
        p + 0.1 * noise(p, 2, draws)
    ),
    "exact position, padded with zeros": lambda obs, p, draws: padded(p),
    "exact position, mixed into every dimension": lambda obs, p, draws: p @ fixed(2, D, "mix"),
    "position and waves of full rank": lambda obs, p, draws: rich(p),
    "the same, times 1e6": lambda obs, p, draws: 1e6 * rich(p),
    "the same, times 1e-6": lambda obs, p, draws: 1e-6 * rich(p),
    "the same, on a constant 200 times as large": lambda obs, p, draws: 200 + rich(p),
    "the same, on offsets of both signs 1000 times as large": lambda obs, p, draws: (
        1000 * fixed(1, D, "signs").sign() + rich(p)
    ),
    "the same, one direction ten times as large": lambda obs, p, draws: loud(p),
    "only waves too short for a linear probe": lambda obs, p, draws: torch.sin(
        40 * p @ fixed(2, D, "short")
    ),
    "one latent is NaN": lambda obs, p, draws: spoiled(p, math.nan),
    "one latent is infinite": lambda obs, p, draws: spoiled(p, math.inf),
}


class Constructed:
    """A model whose latents are made of the true position; it cannot predict."""

    training = False

    def __init__(self, source: TwoRooms, latents: Latents) -> None:
        self.position, self.latents = PositionModel(source), latents
        self.draws = generator(0, "evaluation/noise")

    def encode(self, obs: torch.Tensor) -> torch.Tensor:
        p = (self.position.encode(obs).double() - 15.5) / 8  # a frame is 32 pixels wide
        return self.latents(obs, p, self.draws)

    def rollout(self, z0: torch.Tensor, actions: torch.Tensor | None, steps: int) -> torch.Tensor:
        raise NotImplementedError

    def train(self, mode: bool = True) -> object:
        return self


Measured = dict[str, float | None]


@pytest.fixture(scope="module")
def measured(source: TwoRooms) -> dict[str, Measured]:
    """Of every case, what the probe and the collapse measure say on two held-out sets."""
    settings = load_settings("fast", trajectories=256, collapse_trajectories=64)
    held_out = sample_held_out(source, settings, CPU)

    def metrics(model: WorldModel) -> Measured:
        context = EvaluationContext(model, source, settings, held_out, CPU)
        measures = (CollapseMeasure(), ProbeMeasure())
        values = [measure.measure(context).items() for measure in measures]
        return {key: None if v is None else float(v) for items in values for key, v in items}

    with torch.no_grad():
        return {name: metrics(Constructed(source, latents)) for name, latents in CASES.items()}


def error_ratio(metrics: Measured, untrained: Measured) -> float:
    """The best over the held-out sets, as the rule takes it."""

    def error(values: Measured, key: str) -> float:
        return math.sqrt(1 - (values[key] or 0.0))

    sets = [key for key in metrics if key.startswith(PROBE_SET)]
    return min(error(metrics, key) / error(untrained, key) for key in sets)


def documented() -> Iterator[tuple[str, list[str]]]:
    for line in DOC.read_text().splitlines():
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        if name in CASES:
            yield name, cells


def test_the_table_has_every_case_once() -> None:
    assert [name for name, _ in documented()] == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_the_case_is_judged_as_the_table_says(name: str, measured: dict[str, Measured]) -> None:
    metrics, untrained = measured[name], measured["the untouched random encoder"]
    status = run_status(metrics, untrained)
    spread, ratio, directions, *verdict = dict(documented())[name]
    assert [status, ", ".join(run_notes(status, metrics, 2))] == verdict
    told = (
        (spread, metrics[SPREAD]),
        (ratio, error_ratio(metrics, untrained)),
        (directions, metrics["eval/participation_ratio"]),
    )
    for cell, value in told:
        expected = math.nan if cell == "–" else float(cell)
        assert value == pytest.approx(expected, rel=0.1, abs=0.006, nan_ok=True)


def test_the_doc_names_todays_thresholds() -> None:
    text = DOC.read_text()
    assert f"`BETTER_BY` = {BETTER_BY}" in text
    assert f"`COLLAPSED_SPREAD` = {COLLAPSED_SPREAD}" in text
