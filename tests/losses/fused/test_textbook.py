"""The fast forms against the textbook forms in float64: as exact, and with less memory."""

from typing import Any

import pytest
import torch
from torch import Tensor

from jepa_compare.losses.fused.sigreg import epps_pulley_with_gradient
from jepa_compare.losses.fused.vicreg import variance_and_covariance
from jepa_compare.losses.sigreg import epps_pulley, knots_and_weights
from jepa_compare.losses.vicreg import covariance_term
from scripts.benchmark.common import peak_bytes  # pyright: ignore[reportMissingImports]
from tests.support.fused_losses import (
    FUNCTIONS,
    PAIRS,
    SHAPES,
    decorrelated,
    relative,
    sample,
    value_and_gradient,
)

CPU = torch.device("cpu")


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


def test_memory_of_sigreg_does_not_grow_with_the_knots() -> None:
    """A few times the input and a group of slices, less than a tenth of the textbook form's."""
    x = torch.randn(512, 1024)
    peaks = {
        knots: peak_bytes(
            lambda knots=knots: epps_pulley_with_gradient(x, *knots_and_weights(knots, 3.0)), CPU
        )
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
    textbook = peak_bytes(lambda: PAIRS["dino"][0](z).backward(), CPU)
    assert peak_bytes(lambda: FUNCTIONS["dino"](z).backward(), CPU) < 0.9 * textbook
