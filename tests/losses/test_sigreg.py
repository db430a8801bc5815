"""SIGReg's score and its gap above what a true N(0, I) batch of the same size gets."""

import pytest
import torch

from jepa_compare.latents import Latents
from jepa_compare.losses.sigreg import SIGReg, epps_pulley, expected_score


def gap(z: torch.Tensor, scale_by_samples: bool) -> float:
    loss = SIGReg(
        dim=z.shape[1],
        num_slices=256,
        knots=17,
        t_max=3.0,
        scale_by_samples=scale_by_samples,
        on="views",
    )
    loss.prepare(0, 0.0, torch.Generator().manual_seed(1))
    return loss(Latents(z_pred=z, z_target=z, z_context=z)).terms["gap"].item()


@pytest.mark.parametrize("n", [64, 512])
def test_a_gaussian_batch_has_no_gap_and_a_collapsed_one_has(n: int) -> None:
    """In units of the score of N(0, I), which is 1 when the samples count."""
    draws = [
        torch.randn(n, 32, generator=torch.Generator().manual_seed(seed)) for seed in range(20)
    ]
    gaps = torch.tensor([gap(z, True) for z in draws])
    assert gaps.mean() == pytest.approx(0, abs=0.1)
    assert gap(draws[0], False) == pytest.approx(gaps[0].item() / n, rel=1e-4, abs=1e-7)
    assert gap(torch.zeros(n, 32), True) > 0.3 * n
    assert gap(3 * draws[0], True) > 5 * n / 64


def test_expected_score_is_that_of_gaussian_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = epps_pulley(torch.randn(64, 4000, generator=generator), 17, 3.0)
    error = scores.std() / 4000**0.5
    assert abs(scores.mean() - expected_score(64, 17, 3.0)) < 4 * error
