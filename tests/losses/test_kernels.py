"""The fast forms against the textbook forms, in float64 and against it."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from jepa_compare.losses.barlow_twins import (
    BarlowTwins,
    cross_correlation,
    cross_correlation_terms,
    standardise,
)
from jepa_compare.losses.common import with_gradient
from jepa_compare.losses.dino import SoftCrossEntropy, soft_cross_entropy
from jepa_compare.losses.sigreg import (
    epps_pulley,
    epps_pulley_with_gradient,
    expected_score,
)
from jepa_compare.losses.vicreg import covariance_term, variance_and_covariance, variance_term

SHAPES = [(24, 96), (60, 96), (96, 96), (400, 96)]  # n below, near, at and above d
WEIGHT = 0.005


def sample(kind: str, n: int, d: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, d, generator=generator)
    if kind == "rank 4":
        z = torch.randn(n, 4, generator=generator) @ torch.randn(4, d, generator=generator)
        z = z + 1e-3 * torch.randn(n, d, generator=generator)
    if kind == "offset":
        z = z + 30
    return z


def relative(made: Tensor, true: Tensor) -> float:
    return ((made.double() - true).norm() / true.norm()).item()


def vicreg_textbook(z: Tensor) -> Tensor:
    return variance_term(z, 1.0, 1e-4) + covariance_term(z)


def vicreg_fast(z: Tensor) -> tuple[Tensor, Tensor]:
    v, c, v_grad, c_grad = variance_and_covariance(z, 1.0, 1e-4)
    return v + c, v_grad + c_grad


def barlow_textbook(z: Tensor) -> Tensor:
    half = z.shape[0] // 2
    on, off = cross_correlation_terms(standardise(z[:half]), standardise(z[half:]))
    return on + WEIGHT * off


def barlow_fast(z: Tensor) -> tuple[Tensor, Tensor]:
    z = z.detach().requires_grad_()
    half = z.shape[0] // 2
    a, b = standardise(z[:half]), standardise(z[half:])
    on, off, grad_a, grad_b = cross_correlation(a.detach(), b.detach(), WEIGHT)
    loss = with_gradient(on + WEIGHT * off, [(a, grad_a), (b, grad_b)])
    return loss.detach(), torch.autograd.grad(loss, z)[0]


def sigreg_textbook(z: Tensor) -> Tensor:
    return epps_pulley(z, 17, 3.0).mean()


def sigreg_fast(z: Tensor) -> tuple[Tensor, Tensor]:
    return epps_pulley_with_gradient(z, 17, 3.0)


PAIRS: dict[str, tuple[Callable[..., Tensor], Callable[..., tuple[Tensor, Tensor]]]] = {
    "vicreg": (vicreg_textbook, vicreg_fast),
    "barlow_twins": (barlow_textbook, barlow_fast),
    "sigreg": (sigreg_textbook, sigreg_fast),
}


def value_and_gradient(textbook: Callable[..., Tensor], z: Tensor) -> tuple[Tensor, Tensor]:
    z = z.detach().requires_grad_()
    value = textbook(z)
    return value.detach(), torch.autograd.grad(value, z)[0]


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", ["gaussian", "rank 4", "offset"])
def test_float32_is_as_exact_as_promised(name: str, shape: tuple[int, int], kind: str) -> None:
    textbook, fast = PAIRS[name]
    z = sample(kind, *shape)
    true_value, true_grad = value_and_gradient(textbook, z.double())
    value, grad = fast(z)
    assert relative(value, true_value) < 1e-6
    assert relative(grad, true_grad) < 1e-5


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_float64_forms_agree(name: str, shape: tuple[int, int]) -> None:
    textbook, fast = PAIRS[name]
    z = sample("gaussian", *shape, seed=1).double()
    true_value, true_grad = value_and_gradient(textbook, z)
    value, grad = fast(z)
    assert relative(value, true_value) < 1e-13
    assert relative(grad, true_grad) < 1e-12


def test_nearly_decorrelated_features_are_no_worse_than_the_textbook_form() -> None:
    n, d = 512, 64
    q, _ = torch.linalg.qr(
        sample("gaussian", n, d).double() - sample("gaussian", n, d).double().mean(0)
    )
    z = (q * (n - 1) ** 0.5 + 1e-5 * sample("gaussian", n, d, seed=2)).float()
    true_value, true_grad = value_and_gradient(covariance_term, z.double())
    slow_value, slow_grad = value_and_gradient(covariance_term, z)
    _, value, _, grad = variance_and_covariance(z, 1.0, 1e-4)
    assert relative(value, true_value) <= 2 * relative(slow_value, true_value) + 1e-6
    assert relative(grad, true_grad) <= 2 * relative(slow_grad, true_grad) + 1e-6


def test_soft_cross_entropy_is_the_textbook_form() -> None:
    logits = sample("gaussian", 20, 30).double().requires_grad_()
    teacher = F.softmax(5 * sample("gaussian", 20, 30, seed=1).double(), dim=-1)
    value = SoftCrossEntropy.apply(logits, teacher)
    expected, expected_grad = value_and_gradient(lambda z: soft_cross_entropy(z, teacher), logits)
    torch.testing.assert_close(value, expected)  # pyright: ignore
    torch.testing.assert_close(torch.autograd.grad(value, logits)[0], expected_grad)  # pyright: ignore


def test_a_double_backward_is_refused_in_one_line() -> None:
    z = sample("gaussian", 8, 4).requires_grad_()
    value, grad = vicreg_fast(z.detach())
    loss = with_gradient(value, [(z, grad)])
    with pytest.raises(RuntimeError, match="no double backward"):
        torch.autograd.grad(loss, z, create_graph=True)


def test_memory_of_sigreg_does_not_grow_with_the_knots() -> None:
    """Peak bytes by the allocator's own record, as a multiple of the input's."""
    x = torch.randn(512, 256)

    def peak(knots: int) -> float:
        with torch.profiler.profile(profile_memory=True) as profile:
            epps_pulley_with_gradient(x, knots, 3.0)
        held = highest = 0
        for event in profile.profiler.kineto_results.events():  # pyright: ignore
            if event.name() == "[memory]":
                held += event.nbytes()  # pyright: ignore[reportAttributeAccessIssue]
                highest = max(highest, held)
        return highest / (x.numel() * 4)

    assert peak(33) == pytest.approx(peak(9), rel=0.05)
    assert peak(17) < 12


def test_expected_score_is_that_of_gaussian_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = epps_pulley(torch.randn(64, 4000, generator=generator), 17, 3.0)
    error = scores.std() / 4000**0.5
    assert abs(scores.mean() - expected_score(64, 17, 3.0)) < 4 * error


def test_a_weight_scales_with_scale_loss() -> None:
    given = [sample("gaussian", 16, 8, seed=s)[:, None] for s in (0, 1)]
    from jepa_compare.latents import Latents

    latents = Latents(z_pred=given[0], z_target=given[1], z_context=given[0])
    one, tenth = (
        BarlowTwins(dim=8, off_diagonal_weight=0.01, scale_loss=s, projector=[])(latents).loss
        for s in (1.0, 0.1)
    )
    torch.testing.assert_close(tenth, 0.1 * one)
