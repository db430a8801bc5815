"""Collapse metrics on spectra that are known."""

import math

import numpy as np
import pytest
import torch

from jepa_compare.evaluation.measures.collapse import (
    alpha_req,
    effective_rank,
    lidar,
    spectrum_metrics,
)
from jepa_compare.rng import generator

B, T, D = 64, 16, 32


def gaussian(stds: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """b × t frames whose covariance is exactly diag(stds²), of mean zero."""
    z = torch.randn(B * T, len(stds), generator=generator(seed, "evaluation/test")).double()
    z = z - z.mean(dim=0)
    q, _ = torch.linalg.qr(z)
    return (q * math.sqrt(B * T) * stds).reshape(B, T, len(stds))


def test_an_isotropic_code_has_full_rank_everywhere() -> None:
    metrics, spectrum = spectrum_metrics(gaussian(torch.ones(D).double()))
    assert metrics["spread"] == pytest.approx(1)
    assert metrics["feature_std"] == pytest.approx(1)
    assert metrics["rankme"] == pytest.approx(D, rel=1e-4)
    assert metrics["participation_ratio"] == pytest.approx(D)
    assert metrics["alpha_req"] == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(spectrum, torch.ones(D).double())


def test_a_power_law_is_read_off_its_exponent() -> None:
    j = torch.arange(1, D + 1).double()
    metrics, spectrum = spectrum_metrics(gaussian(j**-0.75))
    assert metrics["alpha_req"] == pytest.approx(1.5, abs=1e-6)
    torch.testing.assert_close(spectrum, j**-0.75)


def test_every_octave_of_a_bent_spectrum_counts_the_same() -> None:
    """j^-1 up to index 8 and j^-3 beyond: the weighted line's slope, from numpy."""
    j = np.arange(1, D + 1)
    eigenvalues = np.where(j <= 8, 1.0 / j, 8.0**2 / j**3.0)
    slope = np.polyfit(np.log(j), np.log(eigenvalues), 1, w=np.sqrt(1 / j))[0]
    assert alpha_req(torch.from_numpy(eigenvalues)) == pytest.approx(-slope)
    assert 1.2 < -slope < 2.0


def test_k_dimensions_have_rank_k() -> None:
    stds = torch.zeros(D).double()
    stds[:4] = 1
    metrics, _ = spectrum_metrics(gaussian(stds))
    assert metrics["rankme"] == pytest.approx(4, rel=1e-3)
    assert metrics["participation_ratio"] == pytest.approx(4)
    assert metrics["alpha_req"] == pytest.approx(0, abs=1e-6)


def test_a_constant_code_plus_noise_has_no_spread_but_full_rank() -> None:
    """Why the status does not rest on RankMe."""
    metrics, _ = spectrum_metrics(1 + 1e-3 * gaussian(torch.ones(D).double()))
    assert metrics["spread"] == pytest.approx(1e-3, rel=1e-3)
    assert metrics["rankme"] > 0.99 * D


def test_the_spread_does_not_depend_on_scale() -> None:
    z = 0.3 * gaussian(torch.ones(D).double()) + 1
    small, large = spectrum_metrics(1e-3 * z)[0], spectrum_metrics(1e3 * z)[0]
    assert small["spread"] == pytest.approx(float(large["spread"]))
    assert small["feature_std"] == pytest.approx(1e-6 * float(large["feature_std"]))


def test_lidar_counts_the_directions_that_tell_trajectories_apart() -> None:
    """5 directions constant along a trajectory, the others noise with no class signal."""
    draw = generator(1, "evaluation/test")
    z = torch.randn(B, T, D, generator=draw).double()
    z = z - z.mean(dim=1, keepdim=True)
    classes = torch.linalg.qr(torch.randn(B, 5, generator=draw).double())[0] * math.sqrt(B)
    z[:, :, :5] += 10 * (classes - classes.mean(dim=0))[:, None]
    assert lidar(z) == pytest.approx(5, abs=0.2)
    metrics, _ = spectrum_metrics(z)
    assert metrics["rankme"] > 8


def test_effective_rank_of_a_known_distribution() -> None:
    """exp of the entropy of (1/2, 1/4, 1/4) is 2^1.5."""
    assert effective_rank(torch.tensor([2.0, 1.0, 1.0]).double()) == pytest.approx(2**1.5, rel=1e-5)


def test_a_latent_that_is_not_finite_gives_nan_without_an_exception() -> None:
    z = gaussian(torch.ones(D).double())
    z[3, 2, 1] = torch.inf
    metrics, spectrum = spectrum_metrics(z)
    assert all(math.isnan(value) for value in metrics.values())
    assert spectrum.isnan().all()


def test_a_constant_encoder_has_zero_spread() -> None:
    assert spectrum_metrics(torch.ones(B, T, D))[0]["spread"] == 0
    assert spectrum_metrics(torch.zeros(B, T, D))[0]["spread"] == 0
