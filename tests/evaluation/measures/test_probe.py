"""The probe: its formula against an independent solution, and what the status leans on."""

import numpy as np
import pytest
import torch

from jepa_compare.evaluation.measures.probe import fit_probe, r2, rmse
from jepa_compare.rng import generator


def samples(n: int, d: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = generator(seed, "evaluation/test")
    z = torch.randn(n, d, generator=draw) * torch.linspace(0.1, 3, d) + 5
    y = z @ torch.randn(d, 2, generator=draw) + torch.randn(n, 2, generator=draw)
    return z, y


def test_the_probe_is_the_ridge_solution_as_an_augmented_least_squares_problem() -> None:
    """min ‖X w − y‖²/n + 1e-4 ‖w‖² is ordinary least squares on rows √(n·1e-4)·I added to X."""
    z, y = samples(300, 7)
    raw = z.double().numpy()
    x = (raw - raw.mean(axis=0)) / raw.std()
    centred = y.double().numpy() - y.double().numpy().mean(axis=0)
    rows = np.vstack([x, np.sqrt(300 * 1e-4) * np.eye(7)])
    w, *_ = np.linalg.lstsq(rows, np.vstack([centred, np.zeros((7, 2))]), rcond=None)
    expected = x @ w + y.double().numpy().mean(axis=0)
    torch.testing.assert_close(fit_probe(z, y)(z), torch.from_numpy(expected))


def test_an_affine_code_is_decoded_and_its_scale_does_not_matter() -> None:
    y = torch.rand(500, 2, generator=generator(0, "evaluation/y")).double() * 27 + 2
    code = y @ torch.randn(2, 16, generator=generator(0, "evaluation/code")).double()
    errors = [rmse(fit_probe(scale * code, y)(scale * code), y) for scale in (1e-3, 1, 1e3)]
    assert max(errors) < 0.02
    assert errors[0] == pytest.approx(float(errors[2]), rel=1e-3)


def test_what_varies_far_below_the_latents_own_magnitude_counts_as_lost() -> None:
    """One coordinate per feature, opposite offsets: the features' own spread over their magnitude
    is what the ridge is compared with."""
    y = torch.randn(2000, 2, generator=generator(0, "evaluation/y")).double()
    offset = torch.tensor([1.0, -1.0]).double()
    scores = [r2(fit_probe(offset + s * y, y)(offset + s * y), y) for s in (0.1, 0.01, 0.001)]
    # W shrinks by v / (v + 1e-4), v = s²: R² = 1 - (1e-4 / (v + 1e-4))².
    assert scores[0] > 0.999
    assert scores[1] == pytest.approx(0.75, abs=0.02)
    assert scores[2] == pytest.approx(0.02, abs=0.005)


def test_constant_latents_give_the_mean_and_no_score() -> None:
    _, y = samples(100, 3)
    probe = fit_probe(torch.ones(100, 4), y)
    torch.testing.assert_close(probe(torch.ones(1, 4))[0], y.double().mean(dim=0))
    assert r2(probe(torch.ones(100, 4)), y) == pytest.approx(0, abs=1e-12)


def test_scores_are_in_the_positions_own_unit() -> None:
    y = torch.tensor([[0.0, 0.0], [6.0, 8.0]]).double()
    assert rmse(y + torch.tensor([3.0, 4.0]), y) == pytest.approx(5)
    assert r2(y, y) == 1
    assert r2(y.mean(dim=0).expand(2, 2), y) == pytest.approx(0)


def test_latents_that_are_not_finite_decode_to_nan_without_an_exception() -> None:
    z, y = samples(50, 4)
    z[3, 2] = torch.nan
    assert fit_probe(z, y)(z).isnan().all()
