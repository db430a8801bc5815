"""The reference recipe is eb_jepa's: its whole objective in numbers, its schedule in constants."""

import math

import pytest
import torch
from torch import nn

from jepa_compare import build
from jepa_compare.config.schema import Config
from jepa_compare.latents import Batch
from jepa_compare.sweep.plan import parse_command_line
from jepa_compare.training.objective import Objective
from jepa_compare.training.schedule import learning_rate

# Of eb_jepa's JEPA.unroll with VC_IDM_Sim_Regularizer (github.com/facebookresearch/eb_jepa at
# 966e61e, `eb_jepa/{jepa,losses}.py`), on the inputs and weights below, in float64.
PEER = {
    "total": 28.485794565242315,
    "prediction": 1.924482626268856,
    "variance": 0.6875717083395456,
    "covariance": 0.01734024106107134,
    "temporal_similarity": 0.28747055048651926,
    "inverse_dynamics": 11.97179607121393,
    "gradient_first": 8.733913580754407,
    "gradient_gru": 0.2405644055586065,
}


def fill(module: nn.Module, start: int = 0) -> None:
    """Weights that need no random numbers."""
    for k, p in enumerate(module.parameters(), start):
        wave = torch.sin(0.7 * torch.arange(p.numel(), dtype=torch.float64) + k)
        with torch.no_grad():
            p.copy_((wave * math.sqrt(2 * p.shape[0] / p.numel())).view_as(p))


def batch() -> Batch:
    obs = torch.sin(torch.arange(2 * 17 * 2 * 65 * 65, dtype=torch.float64).square() / 9e5)
    actions = torch.cos(torch.arange(2 * 16 * 2, dtype=torch.float64))
    return Batch(obs=obs.view(2, 17, 2, 65, 65), actions=actions.view(2, 16, 2))


@pytest.fixture
def config() -> Config:
    overrides = ["experiment=two_rooms_random_wall", "device=cpu"]
    return parse_command_line(overrides, multirun=False).jobs[0].config


@pytest.fixture
def reference(config: Config) -> Objective:
    source = build.build_source(config)
    model, helpers = build.build_model(config, source), build.build_helpers(config, source)
    weight = config.aux_loss["weight"]
    return Objective(
        model=model, aux_loss=build.build_aux_loss(config), weight=weight, helpers=helpers
    )


def test_the_objective_and_its_gradients_are_the_published_ones(reference: Objective) -> None:
    model = reference.model.double()
    fill(model.encoder)
    fill(model.predictor.cell, 100)  # pyright: ignore
    fill(reference.helpers.double(), 200)
    output = reference(batch())
    output.total.backward()
    terms = {key.partition("/")[2]: float(value) for key, value in output.terms.items()}
    first = model.encoder.body[0].weight.grad  # pyright: ignore
    gru = model.predictor.cell.weight_hh.grad  # pyright: ignore
    made = {
        "total": output.total.item(),
        "prediction": output.prediction.item(),
        "variance": terms["variance"],
        "covariance": terms["covariance"] / 511,  # a sum over d(d - 1) entries / d there
        "temporal_similarity": terms["temporal_similarity"],
        "inverse_dynamics": terms["inverse_dynamics"],
        "gradient_first": first.norm().item(),  # pyright: ignore
        "gradient_gru": gru.norm().item(),  # pyright: ignore
    }
    assert made == pytest.approx(PEER, rel=1e-4)


def test_the_schedule_is_the_published_one(config: Config) -> None:
    """12 epochs of 260 steps; a tenth of them warm up to 1e-3, a cosine ends at 1e-5."""
    training = config.training
    assert (training.steps, training.warmup_steps) == (12 * 260, 12 * 26)
    assert (training.batch_size, training.frames, training.rollout_steps) == (384, 17, 8)
    assert (training.grad_clip, training.grad_clip_scope) == (2.0, "module")
    assert learning_rate(312, config.training) == pytest.approx(1e-3)
    assert learning_rate(1716, config.training) == pytest.approx((1e-3 + 1e-5) / 2)
    assert learning_rate(3119, config.training) == pytest.approx(1e-5, rel=1e-3)
