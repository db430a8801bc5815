"""The fast forms of the losses beside the textbook forms: functions of one tensor, and inputs."""

from collections.abc import Callable

import torch
from torch import Tensor

from jepa_compare.losses.barlow_twins import cross_correlation, off_diagonal_term, on_diagonal_term
from jepa_compare.losses.dino import soft_cross_entropy, teacher_probabilities
from jepa_compare.losses.fused.autograd import with_gradient
from jepa_compare.losses.fused.barlow_twins import on_and_off_diagonal
from jepa_compare.losses.fused.dino import distil, teacher_probabilities_and_entropies
from jepa_compare.losses.fused.sigreg import epps_pulley_with_gradient
from jepa_compare.losses.fused.vicreg import variance_and_covariance
from jepa_compare.losses.sigreg import epps_pulley, knots_and_weights
from jepa_compare.losses.vicreg import covariance_term, variance_term

SHAPES = [(24, 96), (60, 96), (96, 96), (400, 96)]
"""n below, near, at and above d."""
WEIGHT = 0.005
"""Barlow Twins' off-diagonal weight."""


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


def relative(value: Tensor, true: Tensor) -> float:
    return ((value.double() - true).norm() / true.norm()).item()


def vicreg_textbook(z: Tensor) -> Tensor:
    return variance_term(z, 1.0, 1e-4) + covariance_term(z)


def vicreg_fast(z: Tensor) -> tuple[Tensor, Tensor]:
    variance, covariance, grad = variance_and_covariance(z, 1.0, 1e-4, 1.0, 1.0)
    return variance + covariance, grad


def barlow_textbook(z: Tensor) -> Tensor:
    half = z.shape[0] // 2
    c = cross_correlation(z[:half], z[half:])
    return on_diagonal_term(c) + WEIGHT * off_diagonal_term(c)


def barlow_fast(z: Tensor) -> tuple[Tensor, Tensor]:
    half = z.shape[0] // 2
    on, off, grad_a, grad_b = on_and_off_diagonal(z[:half], z[half:], WEIGHT, 1.0)
    return on + WEIGHT * off, torch.cat([grad_a, grad_b])


def sigreg_textbook(z: Tensor) -> Tensor:
    return epps_pulley(z, 17, 3.0).mean()


def sigreg_fast(z: Tensor) -> tuple[Tensor, Tensor]:
    value, grad = epps_pulley_with_gradient(z.T, *knots_and_weights(17, 3.0))
    return value, grad.T


def dino_textbook(z: Tensor) -> Tensor:
    half = z.shape[0] // 2
    q = teacher_probabilities(z[half:].detach(), center_for(z), z.new_tensor(0.04))
    return soft_cross_entropy(z[:half] / 0.1, q)


def dino_fast(z: Tensor) -> tuple[Tensor, Tensor]:
    z = z.detach().requires_grad_()
    half = z.shape[0] // 2
    q, _ = teacher_probabilities_and_entropies(z[half:].detach(), center_for(z), z.new_tensor(0.04))
    loss = distil([(z[:half], q)], 0.1)
    return loss.detach(), torch.autograd.grad(loss, z)[0]


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
    q, _ = teacher_probabilities_and_entropies(z[half:].detach(), center_for(z), z.new_tensor(0.04))
    return distil([(z[:half], q)], 0.1)


FUNCTIONS = {"vicreg": vicreg, "barlow_twins": barlow_twins, "sigreg": sigreg, "dino": dino}
