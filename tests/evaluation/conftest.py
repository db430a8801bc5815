"""The evaluation's tests run on the default world, with the settings of `conf/`."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.data.rooms.two_rooms import TwoRooms
from jepa_compare.models.encoders import ConvEncoder
from jepa_compare.models.jepa import JEPA
from jepa_compare.models.predictors import ResidualMLP
from jepa_compare.rng import seeded
from tests.support.settings import load_settings

CONF = Path(__file__).parents[2] / "conf"
LoadSettings = Callable[..., EvaluationSettings]


@pytest.fixture(scope="session")
def settings_of() -> LoadSettings:
    return load_settings


@pytest.fixture(scope="session")
def world_config() -> dict[str, Any]:
    config = OmegaConf.to_container(OmegaConf.load(CONF / "data" / "two_rooms.yaml"))
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}


@pytest.fixture(scope="session")
def world(world_config: dict[str, Any]) -> TwoRooms:
    own = ("name", "_target_")
    return TwoRooms(**{key: value for key, value in world_config.items() if key not in own})


@pytest.fixture
def jepa() -> JEPA:
    """An untrained model of the default size or a little below."""
    with seeded(0, "init"):
        encoder = ConvEncoder(obs_shape=(1, 32, 32), dim=32, channels=[8, 16], groups=8)
        predictor = ResidualMLP(
            dim=32, action_dim=2, hidden_dim=32, action_embedding_dim=8, norm=encoder.norm
        )
    return JEPA(
        encoder=encoder,
        predictor=predictor,
        dim=32,
        rollout_steps=7,
        target="shared",
        target_decay=0.99,
    )


class PositionModel(nn.Module):
    """The perfect world model of the default world: its latent is the position, read off the
    frame, and it moves by the true dynamics."""

    def __init__(self, world: TwoRooms) -> None:
        super().__init__()
        self.world = world

    def encode(self, obs: torch.Tensor) -> torch.Tensor:
        bright = (obs[:, 0] - 0.5).clamp(min=0)  # the wall is at most ½
        pixel = torch.arange(obs.shape[-1], dtype=obs.dtype)
        total = bright.sum(dim=(1, 2))
        x = (bright.sum(dim=1) * pixel).sum(dim=1) / total
        y = (bright.sum(dim=2) * pixel).sum(dim=1) / total
        return torch.stack([x, y], dim=1)

    def rollout(self, z0: torch.Tensor, actions: torch.Tensor | None, steps: int) -> torch.Tensor:
        assert actions is not None
        path = []
        for step in range(steps):
            z0 = self.world.step(z0, actions[:, step])
            path.append(z0)
        return torch.stack(path, dim=1)


@pytest.fixture
def position_model(world: TwoRooms) -> PositionModel:
    return PositionModel(world)


@pytest.fixture
def few(settings_of: LoadSettings) -> EvaluationSettings:
    """Settings for a test of seconds."""
    settings = settings_of("fast", planning__tasks=6)
    settings.check()
    return dataclasses.replace(settings)
