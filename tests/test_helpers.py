"""The helper terms by hand, and where they show."""

from pathlib import Path

import pytest
import torch

from jepa_compare.helpers import Helpers, temporal_similarity
from tests.support.runs import rows, train


def helpers(inverse: float = 2.0, similar: float = 3.0, action_dim: int = 2) -> Helpers:
    return Helpers(
        dim=4,
        action_dim=action_dim,
        inverse_dynamics_weight=inverse,
        inverse_dynamics_hidden=[],
        temporal_similarity_weight=similar,
    )


def test_temporal_similarity_is_the_mean_square_of_successive_differences() -> None:
    z = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [1.0, 3.0]]])
    assert temporal_similarity(z) == pytest.approx((1 + 9) / 4)


def test_inverse_dynamics_decodes_each_action_from_the_latents_around_it() -> None:
    """A layer that takes the difference of the first two coordinates has no error if and only if
    actions and pairs of latents are aligned."""
    made = helpers(similar=0.0)
    assert made.inverse_dynamics is not None
    layer = made.inverse_dynamics[0]
    assert isinstance(layer, torch.nn.Linear)
    with torch.no_grad():
        layer.weight.zero_()
        for i in range(2):
            layer.weight[i, i], layer.weight[i, 4 + i] = -1.0, 1.0
    z = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    actions = z[:, 1:, :2] - z[:, :-1, :2]
    total, terms = made(z, actions)
    assert total.item() == pytest.approx(0, abs=1e-12)
    total, terms = made(z, actions + 1.5)
    assert terms["inverse_dynamics"] == pytest.approx(1.5**2, rel=1e-5)
    assert total.item() == pytest.approx(2 * 1.5**2, rel=1e-5)
    assert made(z, actions.roll(1, dims=1))[0] > 0.1


def test_the_total_is_the_weighted_sum_and_its_gradient_reaches_the_latents() -> None:
    z = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    total, terms = helpers()(z, torch.zeros(3, 4, 2))
    expected = 2 * terms["inverse_dynamics"] + 3 * terms["temporal_similarity"]
    torch.testing.assert_close(total.detach(), expected)
    assert not any(term.requires_grad for term in terms.values())
    (gradient,) = torch.autograd.grad(total, z)
    assert (gradient.abs().amax(dim=(0, 2)) > 0).all()


def test_a_term_of_weight_zero_is_neither_built_nor_reported() -> None:
    made = helpers(0.0, 0.0)
    assert list(made.parameters()) == []
    total, terms = made(torch.randn(3, 5, 4), torch.zeros(3, 4, 2))
    assert total == 0 and terms == {}


def test_inverse_dynamics_without_actions_is_named() -> None:
    with pytest.raises(ValueError, match=r"helper.inverse_dynamics_weight=2.0: the data has no"):
        helpers(action_dim=0)


def test_helper_terms_are_columns_and_their_weights_are_in_the_config(tmp_path: Path) -> None:
    train(tmp_path / "run", "helper=both", "training.steps=2", "evaluation.planning.kinds=[]")
    row = rows(tmp_path / "run")[0]
    # conf/helper/both.yaml has 1 and 12.
    helper = row["helper/inverse_dynamics"] + 12 * row["helper/temporal_similarity"]
    total = row["train/prediction"] + row["train/aux"] + helper
    assert row["train/loss"] == pytest.approx(total, rel=1e-5)
