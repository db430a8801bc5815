"""The fast forms against the textbook forms, in float64 and against it."""

from collections.abc import Callable
from typing import Any

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
from jepa_compare.losses.dino import distil, soft_cross_entropy, teacher_probabilities
from jepa_compare.losses.sigreg import (
    epps_pulley,
    epps_pulley_with_gradient,
    expected_score,
)
from jepa_compare.losses.vicreg import covariance_term, variance_and_covariance, variance_term
from scripts.benchmark.common import peak_bytes

CPU = torch.device("cpu")
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
    if kind == "scales":
        z = z * torch.logspace(-3, 3, d)
    if kind == "one giant":
        z[:, d // 2] *= 1000
    return z


def decorrelated(n: int, d: int, count: int, rest: float, noise: float) -> Tensor:
    """`count` exactly decorrelated features of variance 1, the others gaussian of std `rest`, and
    noise on all: what is off the diagonal of the covariance is tiny beside the diagonal."""
    basis = sample("gaussian", n, count).double()
    basis, _ = torch.linalg.qr(basis - basis.mean(dim=0))
    others = rest * sample("gaussian", n, d - count, seed=1).double()
    z = torch.cat([basis * (n - 1) ** 0.5, others], dim=1)
    return (z + noise * sample("gaussian", n, d, seed=2)).float()


def relative(made: Tensor, true: Tensor) -> float:
    return ((made.double() - true).norm() / true.norm()).item()


def vicreg_textbook(z: Tensor) -> Tensor:
    return variance_term(z, 1.0, 1e-4) + covariance_term(z)


def vicreg_fast(z: Tensor) -> tuple[Tensor, Tensor]:
    variance, covariance, grad = variance_and_covariance(z, 1.0, 1e-4, 1.0, 1.0)
    return variance + covariance, grad


def barlow_textbook(z: Tensor) -> Tensor:
    half = z.shape[0] // 2
    on, off = cross_correlation_terms(standardise(z[:half]), standardise(z[half:]))
    return on + WEIGHT * off


def barlow_fast(z: Tensor) -> tuple[Tensor, Tensor]:
    half = z.shape[0] // 2
    on, off, grad_a, grad_b = cross_correlation(z[:half], z[half:], WEIGHT, 1.0)
    return on + WEIGHT * off, torch.cat([grad_a, grad_b])


def sigreg_textbook(z: Tensor) -> Tensor:
    return epps_pulley(z, 17, 3.0).mean()


def sigreg_fast(z: Tensor) -> tuple[Tensor, Tensor]:
    value, grad = epps_pulley_with_gradient(z.T, 17, 3.0)
    return value, grad.T


def dino_textbook(z: Tensor) -> Tensor:
    half = z.shape[0] // 2
    return soft_cross_entropy(z[:half] / 0.1, teacher_of(z[half:]).detach())


def dino_fast(z: Tensor) -> tuple[Tensor, Tensor]:
    z = z.detach().requires_grad_()
    half = z.shape[0] // 2
    q, _ = teacher_probabilities(z[half:].detach(), center_for(z), z.new_tensor(0.04))
    loss = distil([(z[:half], q)], 0.1)
    return loss.detach(), torch.autograd.grad(loss, z)[0]


def teacher_of(scores: Tensor) -> Tensor:
    return F.softmax((scores - center_for(scores)) / scores.new_tensor(0.04), dim=-1)


def center_for(z: Tensor) -> Tensor:
    return torch.linspace(0, 2, z.shape[1], dtype=torch.float32).to(z.dtype)


PAIRS: dict[str, tuple[Callable[..., Tensor], Callable[..., tuple[Tensor, Tensor]]]] = {
    "vicreg": (vicreg_textbook, vicreg_fast),
    "barlow_twins": (barlow_textbook, barlow_fast),
    "sigreg": (sigreg_textbook, sigreg_fast),
    "dino": (dino_textbook, dino_fast),
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


@pytest.mark.parametrize("kind", ["gaussian", "offset"])
def test_many_samples_lose_nothing(kind: str) -> None:
    """torch's own batch_norm is off by 4e-6 here."""
    test_float32_is_as_exact_as_promised("barlow_twins", (8192, 96), kind)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_float64_forms_agree(name: str, shape: tuple[int, int]) -> None:
    textbook, fast = PAIRS[name]
    z = sample("gaussian", *shape, seed=1).double()
    true_value, true_grad = value_and_gradient(textbook, z)
    value, grad = fast(z)
    assert relative(value, true_value) < 1e-13
    assert relative(grad, true_grad) < 1e-12


NEARLY_DECORRELATED = [
    (24, 96, 20, 1e-3, 1e-6),  # n below d: no more than n - 1 features can be decorrelated
    (60, 96, 8, 1e-3, 1e-6),
    (128, 512, 100, 1e-5, 1e-6),
    (256, 512, 250, 1e-4, 1e-6),
    (90, 96, 80, 1e-4, 1e-6),  # near
    (110, 96, 96, 1, 1e-5),
    (512, 64, 64, 1, 1e-5),  # above
]


@pytest.mark.parametrize("case", NEARLY_DECORRELATED, ids=str)
def test_nearly_decorrelated_features_are_no_worse_than_the_textbook_form(case: Any) -> None:
    assert_no_worse_than_the_textbook_form(decorrelated(*case))


@pytest.mark.parametrize("kind", ["scales", "one giant"])
@pytest.mark.parametrize("shape", [*SHAPES, (256, 1024)], ids=str)
def test_unequal_variances_are_no_worse_than_the_textbook_form(
    kind: str, shape: tuple[int, int]
) -> None:
    assert_no_worse_than_the_textbook_form(sample(kind, *shape))


def assert_no_worse_than_the_textbook_form(z: Tensor) -> None:
    """At most twice the error of the float32 form with a zeroed diagonal, or float32's own."""
    true_value, true_grad = value_and_gradient(covariance_term, z.double())
    slow_value, slow_grad = value_and_gradient(covariance_term, z)
    _, value, grad = variance_and_covariance(z, 1.0, 1e-4, 0.0, 1.0)
    assert relative(value, true_value) <= max(2 * relative(slow_value, true_value), 5e-7)
    assert relative(grad, true_grad) <= max(2 * relative(slow_grad, true_grad), 1e-6)


def vicreg(z: Tensor) -> Tensor:
    value, grad = vicreg_fast(z.detach())
    return with_gradient(value, [(z, grad)])


def barlow_twins(z: Tensor) -> Tensor:
    value, grad = barlow_fast(z.detach())
    return with_gradient(value, [(z, grad)])


def sigreg(z: Tensor) -> Tensor:
    value, grad = sigreg_fast(z.detach())
    return with_gradient(value, [(z, grad)])


def dino(z: Tensor) -> Tensor:
    half = z.shape[0] // 2
    q, _ = teacher_probabilities(z[half:].detach(), center_for(z), z.new_tensor(0.04))
    return distil([(z[:half], q)], 0.1)


FUNCTIONS = {"vicreg": vicreg, "barlow_twins": barlow_twins, "sigreg": sigreg, "dino": dino}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", SHAPES[::2], ids=str)
def test_torch_func_sees_the_same_gradients(name: str, shape: tuple[int, int]) -> None:
    function = FUNCTIONS[name]
    batch = torch.stack([sample("gaussian", *shape, seed=s).double() for s in (0, 1)])
    expected = [value_and_gradient(PAIRS[name][0], z) for z in batch]
    grads, values = torch.func.vmap(torch.func.grad_and_value(function))(batch)
    for i, (value, grad) in enumerate(expected):
        torch.testing.assert_close(values[i], value)
        torch.testing.assert_close(grads[i], grad)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_double_backward_is_refused_in_one_line(name: str) -> None:
    function = FUNCTIONS[name]
    z = sample("gaussian", 8, 4).requires_grad_()
    (grad,) = torch.autograd.grad(function(z), z, create_graph=True)
    with pytest.raises(RuntimeError, match=r"^this loss .* no double backward$"):
        grad.square().sum().backward()
    with pytest.raises(RuntimeError, match=r"^this loss .* no double backward$"):
        torch.func.grad(lambda z: torch.func.grad(function)(z).square().sum())(z.detach())


def test_memory_of_sigreg_does_not_grow_with_the_knots() -> None:
    """A few times the input and a group of slices, less than a tenth of the textbook form's."""
    x = torch.randn(512, 1024)
    peaks = {
        knots: peak_bytes(lambda knots=knots: epps_pulley_with_gradient(x, knots, 3.0), CPU)
        for knots in (9, 17, 33)
    }
    assert peaks[33] == pytest.approx(peaks[9], rel=0.15)
    assert peaks[17] < 3 * x.numel() * 4 + 3 * 2**21
    z = x.T.clone().requires_grad_()
    textbook = peak_bytes(lambda: epps_pulley(z, 17, 3.0).mean().backward(), CPU)
    assert peaks[17] < textbook / 10


@pytest.mark.parametrize("name", ["vicreg", "barlow_twins"])
def test_few_samples_of_many_features_need_no_square_matrix_of_features(name: str) -> None:
    z = sample("gaussian", 64, 2048).requires_grad_()
    assert peak_bytes(lambda: FUNCTIONS[name](z).backward(), CPU) < 2048 * 2048 * 4


def test_dino_needs_less_memory_than_the_textbook_form() -> None:
    z = sample("gaussian", 64, 4096).requires_grad_()
    textbook = peak_bytes(lambda: dino_textbook(z).backward(), CPU)
    assert peak_bytes(lambda: dino(z).backward(), CPU) < 0.9 * textbook


def test_expected_score_is_that_of_gaussian_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = epps_pulley(torch.randn(64, 4000, generator=generator), 17, 3.0)
    error = scores.std() / 4000**0.5
    assert abs(scores.mean() - expected_score(64, 17, 3.0)) < 4 * error


@pytest.mark.parametrize("n", [4, 16])
def test_a_weight_scales_with_scale_loss(n: int) -> None:
    given = [sample("gaussian", n, 8, seed=s)[:, None].requires_grad_() for s in (0, 1)]
    from jepa_compare.latents import Latents

    latents = Latents(z_pred=given[0], z_target=given[1], z_context=given[0])
    one, tenth = (
        BarlowTwins(dim=8, off_diagonal_weight=0.01, scale_loss=s, projector=[])(latents).loss
        for s in (1.0, 0.1)
    )
    torch.testing.assert_close(tenth, 0.1 * one)
    grads = [torch.autograd.grad(loss, latents.z_pred)[0] for loss in (one, tenth)]
    torch.testing.assert_close(grads[1], 0.1 * grads[0])
