"""The helper terms by hand, and where they show."""

from pathlib import Path

import pytest
import torch

from jepa_compare.checks import RangeError
from jepa_compare.losses import HelperTerms
from jepa_compare.losses.helpers.inverse_dynamics import InverseDynamics
from jepa_compare.losses.helpers.temporal_similarity import TemporalSimilarity
from tests.support.runs import rows, train


def inverse_dynamics(action_dim: int = 2, hidden: list[int] | None = None) -> InverseDynamics:
    torch.manual_seed(0)
    return InverseDynamics(dim=4, action_dim=action_dim, hidden=hidden or [])


def latents() -> torch.Tensor:
    return torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))


def test_temporal_similarity_is_the_mean_square_of_successive_differences() -> None:
    z = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [1.0, 3.0]]])
    term = TemporalSimilarity(dim=2, action_dim=0)
    assert term(z, None) == pytest.approx((1 + 9) / 4)
    assert term(z.bfloat16(), None).dtype == torch.float32


def test_inverse_dynamics_decodes_each_action_from_the_latents_around_it() -> None:
    """A layer that takes the difference of the first two coordinates has no error if and only if
    actions and pairs of latents are aligned."""
    term = inverse_dynamics()
    layer = term.decoder[0]
    assert isinstance(layer, torch.nn.Linear)
    with torch.no_grad():
        layer.weight.zero_()
        for i in range(2):
            layer.weight[i, i], layer.weight[i, 4 + i] = -1.0, 1.0
    z = latents()
    actions = z[:, 1:, :2] - z[:, :-1, :2]
    assert term(z, actions).item() == pytest.approx(0, abs=1e-12)
    assert term(z, actions + 1.5).item() == pytest.approx(1.5**2, rel=1e-5)
    assert term(z, actions.roll(1, dims=1)) > 0.1


def test_inverse_dynamics_starts_as_the_published_one() -> None:
    """Truncated normal weights of std 0.02 and no bias, in every layer."""
    decoder = inverse_dynamics(hidden=[256, 256]).decoder
    layers = [m for m in decoder if isinstance(m, torch.nn.Linear)]
    assert [layer.weight.shape for layer in layers] == [(256, 8), (256, 256), (2, 256)]
    for layer in layers:
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)
        assert not layer.bias.any()


def test_inverse_dynamics_is_float32_outside_autocast() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert inverse_dynamics()(latents(), torch.zeros(3, 4, 2)).dtype == torch.float32


def test_the_total_is_the_weighted_sum_and_its_gradient_reaches_the_latents() -> None:
    terms = HelperTerms(
        terms={
            "similar": TemporalSimilarity(dim=4, action_dim=2),
            "inverse": inverse_dynamics(),
        },
        weights={"inverse": 2.0, "similar": 3.0},
    )
    z = latents().requires_grad_()
    total, unweighted = terms(z, torch.zeros(3, 4, 2))
    assert list(unweighted) == ["similar", "inverse"]  # the order given
    expected = 2 * unweighted["inverse"] + 3 * unweighted["similar"]
    torch.testing.assert_close(total.detach(), expected)
    assert not any(term.requires_grad for term in unweighted.values())
    (gradient,) = torch.autograd.grad(total, z)
    assert (gradient.abs().amax(dim=(0, 2)) > 0).all()


def test_without_terms_the_total_is_zero() -> None:
    terms = HelperTerms(terms={}, weights={})
    assert list(terms.parameters()) == []
    total, unweighted = terms(latents(), torch.zeros(3, 4, 2))
    assert total == 0 and unweighted == {}


def test_inverse_dynamics_without_actions_is_named() -> None:
    with pytest.raises(ValueError, match=r"^inverse dynamics: the data has no actions to decode"):
        inverse_dynamics(action_dim=0)


def test_a_width_out_of_range_is_named() -> None:
    with pytest.raises(RangeError, match=r"^hidden=\[0\]: must be a list of positive widths$"):
        inverse_dynamics(hidden=[0])


def test_helper_terms_are_columns_and_their_weights_are_in_the_config(tmp_path: Path) -> None:
    train(tmp_path / "run", "helper=both", "training.steps=2", "evaluation.planning.kinds=[]")
    row = rows(tmp_path / "run")[0]
    # conf/helper/both.yaml has 1 and 12.
    helper = row["helper/inverse_dynamics"] + 12 * row["helper/temporal_similarity"]
    total = row["train/prediction"] + row["train/aux"] + helper
    assert row["train/loss"] == pytest.approx(total, rel=1e-5)
