"""VICReg is the weighted sum of its paper's terms, and its projector sees nothing else."""

from typing import Any

import pytest
import torch

from jepa_compare.latents import Latents
from jepa_compare.losses.vicreg import VICReg, covariance_term, invariance_term, variance_term


def build(**changed: Any) -> VICReg:
    torch.manual_seed(0)
    arguments: dict[str, Any] = dict(
        dim=6,
        sim_coeff=2.0,
        std_coeff=3.0,
        cov_coeff=5.0,
        gamma=1.0,
        eps=1e-4,
        projector=[],
        on="views",
    )
    return VICReg(**(arguments | changed))


def latents(n: int = 16, dtype: torch.dtype = torch.float32) -> Latents:
    generator = torch.Generator().manual_seed(3)
    a, b, z = (
        (0.7 * torch.randn(n, 1, 6, generator=generator)).to(dtype).requires_grad_()
        for _ in range(3)
    )
    return Latents(z_pred=a, z_target=b, z_context=z)


@pytest.mark.parametrize("on", ["views", "context"])
@pytest.mark.parametrize("n", [4, 16])  # samples fewer and more than features
def test_it_is_the_weighted_sum_of_the_textbook_terms(on: str, n: int) -> None:
    given = latents(n)
    a, b, z = (x[:, 0] for x in (given.z_pred, given.z_target, given.z_context))
    regularised = [z] if on == "context" else [a, b]
    variance = sum(variance_term(x, 1.0, 1e-4) for x in regularised) / len(regularised)
    expected = 2 * invariance_term(a, b) + 3 * variance
    expected = expected + 5 * sum(covariance_term(x) for x in regularised)
    loss = build(on=on)(given).loss
    torch.testing.assert_close(loss, expected)
    inputs = [given.z_pred, given.z_target] + ([given.z_context] if on == "context" else [])
    pairs = zip(
        torch.autograd.grad(loss, inputs), torch.autograd.grad(expected, inputs), strict=True
    )
    for gradient, textbook in pairs:
        torch.testing.assert_close(gradient, textbook)


@pytest.mark.parametrize(("sim_coeff", "batches"), [(0.0, 1), (1.0, 3)])
def test_the_projector_sees_only_what_the_loss_is_made_of(sim_coeff: float, batches: int) -> None:
    """Each batch moves the running statistics of its BatchNorm."""
    loss = build(on="context", sim_coeff=sim_coeff, projector=[8, 4])
    output = loss(latents())
    norms = [m for m in loss.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    assert [int(m.num_batches_tracked) for m in norms] == [batches]  # pyright: ignore
    assert ("similarity" in output.terms) == (sim_coeff > 0)
    alone = build(on="context", sim_coeff=sim_coeff)(latents())
    assert "similarity" in alone.terms  # for nothing more than a subtraction
