"""The regimes of one batch type: a loss trains in each, with no special case anywhere."""

import pytest
import torch
import torch.nn.functional as F

from jepa_compare import build
from jepa_compare.config.compose import CONF_DIR
from jepa_compare.latents import Batch
from jepa_compare.losses import AuxLoss, HelperTerm, HelperTerms, InverseDynamics
from jepa_compare.models.encoders import ConvEncoder
from jepa_compare.models.jepa import JEPA
from jepa_compare.models.predictors import GRUPredictor, Predictor, ResidualMLP
from jepa_compare.rng import generator
from jepa_compare.training.objective import Objective
from tests.support.runs import job

LOSSES = sorted(p.stem for p in (CONF_DIR / "aux_loss").glob("*.yaml") if p.stem != "barlow")
DIM = 16


def objective(
    aux_loss: AuxLoss, action_dim: int, rollout_steps: int, predictor: str = "residual_mlp"
) -> Objective:
    torch.manual_seed(0)
    encoder = ConvEncoder(obs_shape=(3, 16, 16), dim=DIM, channels=[8, 8], groups=2)
    module: Predictor
    if predictor == "gru":
        module = GRUPredictor(dim=DIM, action_dim=action_dim, norm=encoder.norm)
    else:
        module = ResidualMLP(
            dim=DIM,
            action_dim=action_dim,
            hidden_dim=32,
            action_embedding_dim=8,
            norm=encoder.norm,
        )
    model = JEPA(
        encoder=encoder,
        predictor=module,
        dim=DIM,
        rollout_steps=rollout_steps,
        target="shared",
        target_decay=0.99,
    )
    terms: dict[str, HelperTerm] = {}
    if action_dim:
        terms["inverse_dynamics"] = InverseDynamics(dim=DIM, action_dim=action_dim, hidden=[16])
    helpers = HelperTerms(terms=terms, weights=dict.fromkeys(terms, 1.0))
    return Objective(model=model, aux_loss=aux_loss, weight=1.0, helpers=helpers)


def shipped(loss: str) -> AuxLoss:
    return build.build_aux_loss(job(f"aux_loss={loss}", f"model.dim={DIM}").config)


def two_views(b: int = 12) -> Batch:
    """Two noisy views of each image; nothing acts."""
    draw = generator(0, "data")
    image = torch.rand(b, 1, 3, 16, 16, generator=draw)
    return Batch(obs=image + 0.1 * torch.randn(b, 2, 3, 16, 16, generator=draw), actions=None)


def discrete(b: int = 12, t: int = 5, choices: int = 4) -> Batch:
    """One of a few actions at each step, one-hot."""
    draw = generator(0, "data")
    obs = torch.rand(b, t, 3, 16, 16, generator=draw)
    actions = torch.randint(choices, (b, t - 1), generator=draw)
    return Batch(obs=obs, actions=F.one_hot(actions, choices).float())


def train_steps(trained: Objective, batch: Batch, steps: int = 8) -> list[dict[str, float]]:
    """As the loop does it; the terms of every step."""
    optimizer = torch.optim.AdamW([p for p in trained.parameters() if p.requires_grad], lr=1e-3)
    history = []
    for step in range(steps):
        trained.train()
        trained.aux_loss.prepare(step, step / steps, generator(0, "aux_loss", step))
        output = trained(batch)
        optimizer.zero_grad()
        output.total.backward()
        optimizer.step()
        trained.on_step_end((step + 1) / steps)
        terms = {"prediction": output.prediction, "total": output.total, **output.terms}
        history.append({name: float(value.detach()) for name, value in terms.items()})
    return history


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("regime", ["two views", "discrete actions"])
def test_every_loss_trains_in_every_regime(loss: str, regime: str) -> None:
    two = regime == "two views"
    batch = two_views() if two else discrete()
    trained = objective(shipped(loss), action_dim=0 if two else 4, rollout_steps=1 if two else 4)
    before = [p.clone() for p in trained.model.encoder.parameters()]
    history = train_steps(trained, batch)
    assert all(torch.tensor(list(row.values())).isfinite().all() for row in history)
    # The entropy of DINO's teacher is no part of what is learned, and rises with its temperature.
    first, *_, last = (row["total"] - row.get("aux/teacher_entropy", 0.0) for row in history)
    assert last < first
    after = trained.model.encoder.parameters()
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert ("helper/inverse_dynamics" in history[0]) != two


@pytest.mark.parametrize("predictor", ["residual_mlp", "gru"])
def test_a_one_hot_action_decides_what_is_predicted(predictor: str) -> None:
    model = objective(shipped("none"), 4, 1, predictor).model.eval()
    z = torch.randn(1, DIM, generator=generator(0, "data")).expand(4, DIM)
    predicted = model.rollout(z, torch.eye(4)[:, None], 1)[:, 0]
    assert len(torch.unique(predicted, dim=0)) == 4


def test_in_two_views_the_second_one_is_the_target() -> None:
    model = objective(shipped("none"), 0, 1).model
    batch = two_views()
    latents = model(batch)
    assert latents.z_pred.shape == latents.z_target.shape == (12, 1, DIM)
    torch.testing.assert_close(latents.z_target[:, 0], model.encode(batch.obs[:, 1]))
