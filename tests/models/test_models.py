"""The published models, the meaning of the three targets, the GRU's equations."""

import math

import pytest
import torch
from torch import nn

from jepa_compare.latents import Batch
from jepa_compare.losses.helpers.inverse_dynamics import InverseDynamics
from jepa_compare.models.encoders import ConvEncoder, ImpalaEncoder
from jepa_compare.models.jepa import JEPA, Target
from jepa_compare.models.predictors import GRUPredictor, ResidualMLP


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def conv() -> ConvEncoder:
    return ConvEncoder(obs_shape=(1, 32, 32), dim=128, channels=[32, 64], groups=8)


def jepa(target: Target, decay: float = 0.9, final: float | None = None) -> JEPA:
    encoder = conv()
    predictor = ResidualMLP(
        dim=128, action_dim=2, hidden_dim=256, action_embedding_dim=32, norm=encoder.norm
    )
    return JEPA(
        encoder=encoder,
        predictor=predictor,
        dim=128,
        rollout_steps=3,
        target=target,
        target_decay=decay,
        final_target_decay=final,
    )


def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch(
        obs=torch.rand(2, 5, 1, 32, 32, generator=generator),
        actions=torch.randn(2, 4, 2, generator=generator),
    )


def test_default_model_has_about_the_stated_size() -> None:
    model = jepa("shared")
    assert 145_000 < count(model.encoder) < 155_000
    assert 136_000 < count(model.predictor) < 146_000


def test_reference_model_has_the_published_size() -> None:
    encoder = ImpalaEncoder(obs_shape=(2, 65, 65), dim=512, channels=[16, 32, 32])
    predictor = GRUPredictor(dim=512, action_dim=2, norm=encoder.norm)
    helper = InverseDynamics(dim=512, action_dim=2, hidden=[256, 256])
    assert count(encoder) == 1_426_096
    assert count(predictor) == 793_600
    assert count(helper) == 328_706
    assert encoder(torch.rand(3, 2, 65, 65)).shape == (3, 512)


def test_reference_model_is_the_published_function() -> None:
    """Numbers of eb_jepa's ImpalaEncoder and RNNPredictor (github.com/facebookresearch/eb_jepa at
    966e61e, `eb_jepa/architectures.py`) with the weights below, in float64."""

    def fill(module: nn.Module) -> None:
        for k, p in enumerate(module.parameters()):
            wave = torch.sin(0.7 * torch.arange(p.numel(), dtype=torch.float64) + k)
            with torch.no_grad():
                p.copy_((wave * math.sqrt(2 * p.shape[0] / p.numel())).view_as(p))

    encoder = ImpalaEncoder(obs_shape=(2, 65, 65), dim=512, channels=[16, 32, 32]).double()
    predictor = GRUPredictor(dim=512, action_dim=2, norm=encoder.norm).double()
    fill(encoder)
    fill(predictor.cell)
    obs = torch.sin(torch.arange(2 * 65 * 65, dtype=torch.float64) / 9).view(1, 2, 65, 65)
    actions = torch.tensor([[[0.5, -1.0], [1.2, 0.3]]]).double()
    z = encoder(obs)
    rolled = predictor.rollout(z, actions, 2)[0, 1]
    coordinates = [0, 1, 255, 511]
    encoded = [0.3601207786016511, 1.3825580214857378, -1.2266476872670284, 1.2062643256097765]
    predicted = [2.3183801732216742, 3.801363027891452, -1.1844398527838824, 1.488529478764315]
    assert z[0, coordinates].tolist() == pytest.approx(encoded, rel=1e-9)
    assert rolled[coordinates].tolist() == pytest.approx(predicted, rel=1e-9)


def test_shapes_and_alignment_of_latents() -> None:
    model = jepa("shared")
    latents = model(batch())
    assert latents.z_pred.shape == latents.z_target.shape == (2, 3, 128)
    assert torch.equal(latents.z_target, latents.z_context[:, 1:4])


def gradient_through_target(target: Target) -> bool:
    return jepa(target)(batch()).z_target.requires_grad


def test_gradient_reaches_the_target_only_when_shared() -> None:
    assert gradient_through_target("shared")
    assert not gradient_through_target("stop_grad")
    assert not gradient_through_target("ema")


def test_ema_target_follows_with_its_decay() -> None:
    model = jepa("ema", decay=0.9)
    assert model.target_encoder is not None
    before = [p.clone() for p in model.target_encoder.parameters()]
    with torch.no_grad():
        for p in model.encoder.parameters():
            p.add_(1.0)
    model.on_step_end(1.0)
    for old, new in zip(before, model.target_encoder.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.1)


def test_the_decay_of_the_ema_target_may_rise() -> None:
    model = jepa("ema", decay=0.9, final=1.0)
    assert model.target_encoder is not None
    before = [p.clone() for p in model.target_encoder.parameters()]
    with torch.no_grad():
        for p in model.encoder.parameters():
            p.add_(1.0)
    model.on_step_end(1.0)
    for old, same in zip(before, model.target_encoder.parameters(), strict=True):
        assert torch.equal(same, old)
    model.on_step_end(0.5)
    for old, new in zip(before, model.target_encoder.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.05)


def test_ema_target_starts_equal_and_is_not_trained() -> None:
    model = jepa("ema")
    latents = model(batch())
    torch.testing.assert_close(latents.z_target, latents.z_context[:, 1:4].detach())
    assert not any(p.requires_grad for p in model.target_encoder.parameters())  # pyright: ignore


def test_gru_with_precomputed_gates_is_torchs_gru() -> None:
    torch.manual_seed(0)
    predictor = GRUPredictor(dim=8, action_dim=2, norm=nn.Identity())
    z0, actions = torch.randn(3, 8), torch.randn(3, 4, 2)
    h, expected = z0, []
    for step in range(4):
        h = predictor.cell(actions[:, step], h)
        expected.append(h)
    torch.testing.assert_close(predictor.rollout(z0, actions, 4), torch.stack(expected, 1))


def test_rollout_uses_its_own_predictions() -> None:
    model = jepa("shared").eval()
    data = batch()
    assert data.actions is not None
    z0 = model.encode(data.obs[:, 0])
    whole = model.rollout(z0, data.actions, 4)
    first = model.rollout(z0, data.actions[:, :1], 1)[:, 0]
    torch.testing.assert_close(whole[:, 1:], model.rollout(first, data.actions[:, 1:], 3))


def test_a_regime_without_actions() -> None:
    predictor = ResidualMLP(
        dim=8, action_dim=0, hidden_dim=16, action_embedding_dim=4, norm=nn.Identity()
    )
    assert predictor.rollout(torch.randn(2, 8), None, 1).shape == (2, 1, 8)


def test_conv_encoder_refuses_a_size_it_cannot_stride() -> None:
    with pytest.raises(ValueError, match="65x65"):
        ConvEncoder(obs_shape=(2, 65, 65), dim=8, channels=[8, 8], groups=8)
