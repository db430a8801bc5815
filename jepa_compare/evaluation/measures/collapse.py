"""Is the latent space collapsed? Spread and spectrum of the latents.

Shape legend: b trajectories, t frames, n samples, d latent dimensions.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.evaluation.measures.base import Measure
from jepa_compare.evaluation.measures.context import EvaluationContext

_RANK_EPS = 1e-7  # RankMe's and LiDAR's
_LIDAR_WITHIN = 1e-4  # LiDAR's ridge on the within-class covariance
_NUMERICAL_ZERO = 1e-12  # of the largest eigenvalue; float64 leaves noise below


def spectrum_metrics(
    latents: Float[Tensor, "b t d"],
) -> tuple[dict[str, Float[Tensor, ""]], Float[Tensor, " d"]]:
    """All collapse metrics of the frames of some trajectories, and the singular values of the
    centred latents divided by the largest. In float64 and without a host synchronisation of
    their own; all NaN if a latent is not finite.

    spread: s = √(tr Cov(z) / E‖z‖²), scale-free, 0 for a constant encoder, at most 1.
    feature_std: root mean variance of a feature.
    rankme: effective rank of the singular values (arXiv 2210.02885, equation 1) of the *centred*
        latents. Not a test: it is scale-free, so collapsed and untrained encoders score highest.
    participation_ratio: (Σλ)² / Σλ² of the covariance's eigenvalues.
    alpha_req: decay of the spectrum, λ_j ~ j^-α (α-ReQ, NeurIPS 2022).
    lidar: effective rank of the between-class against the within-class covariance (arXiv
        2312.04000). A class is the frames of one trajectory window, the moments of one scene as
        the paper's are the augmentations of one image. At most b - 1.
    """
    z = latents.double()
    finite = z.isfinite().all()
    z = torch.where(finite, z, 0.0)
    frames = z.flatten(0, 1)
    covariance = _covariance(frames)
    eigenvalues = torch.linalg.eigvalsh(covariance).flip(0).clamp(min=0.0)
    singular = eigenvalues.sqrt()
    variance = eigenvalues.sum()
    metrics = {
        "spread": (variance / _mean_norm(frames)).sqrt(),
        "feature_std": (variance / frames.shape[1]).sqrt(),
        "rankme": effective_rank(singular),
        "participation_ratio": variance.square() / eigenvalues.square().sum(),
        "alpha_req": alpha_req(eigenvalues),
        "lidar": lidar(z),
    }
    metrics = {name: torch.where(finite, value, torch.nan) for name, value in metrics.items()}
    return metrics, torch.where(finite, singular / singular[0], torch.nan)


def effective_rank(values: Float[Tensor, " d"]) -> Float[Tensor, ""]:
    """The exponential of the entropy of `values` as a distribution."""
    p = values / values.sum() + _RANK_EPS
    return torch.exp(-(p * p.log()).sum())


def alpha_req(eigenvalues: Float[Tensor, " d"]) -> Float[Tensor, ""]:
    """α of λ_j ~ j^-α: least squares of log λ on log j, each weighted by 1/j so that every octave
    of the descending eigenvalues counts the same; numerical zeros are left out."""
    j = torch.arange(1, len(eigenvalues) + 1, dtype=torch.float64, device=eigenvalues.device)
    floor = _NUMERICAL_ZERO * eigenvalues[0]
    weight = (eigenvalues > floor) / j
    weight = weight / weight.sum()
    x, y = j.log(), eigenvalues.clamp(min=floor).log()
    x = x - (weight * x).sum()
    y = y - (weight * y).sum()
    return -(weight * x * y).sum() / (weight * x.square()).sum()


def lidar(latents: Float[Tensor, "b t d"]) -> Float[Tensor, ""]:
    """Effective rank of the linear discriminant analysis matrix, one class per trajectory."""
    means = latents.mean(dim=1)
    between = _covariance(means)
    inside = (latents - means[:, None]).flatten(0, 1)
    within = inside.T @ inside / len(inside)
    ridge = _LIDAR_WITHIN * torch.eye(len(within), dtype=within.dtype, device=within.device)
    # W^-1/2 B W^-1/2 has the eigenvalues of L^-1 B L^-T for W = L Lᵀ.
    factor = torch.linalg.cholesky_ex(within + ridge).L
    half = torch.linalg.solve_triangular(factor, between, upper=False)
    whitened = torch.linalg.solve_triangular(factor, half.T, upper=False)
    return effective_rank(torch.linalg.eigvalsh((whitened + whitened.T) / 2).clamp(min=0.0))


def _covariance(samples: Float[Tensor, "n d"]) -> Float[Tensor, "d d"]:
    centred = samples - samples.mean(dim=0)
    return centred.T @ centred / len(centred)


def _mean_norm(frames: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """E‖z‖², kept off zero so that a latent of zeros has no spread instead of 0/0."""
    return frames.square().sum(dim=1).mean().clamp(min=torch.finfo(torch.float64).tiny)


def _spectrum(context: EvaluationContext) -> tuple[dict[str, Tensor], Float[Tensor, " d"]]:
    return spectrum_metrics(context.collapse_latents)


class CollapseMeasure(Measure):
    """Spread and spectrum of the latents: cheap enough for every few steps."""

    cadence = "collapse_interval"

    def measure(self, context: EvaluationContext) -> Mapping[str, Tensor]:
        metrics, _ = context.once(_spectrum)
        return {f"eval/{name}": value for name, value in metrics.items()}

    def details(self, context: EvaluationContext) -> dict[str, Any]:
        _, spectrum = context.once(_spectrum)
        return {"spectrum": spectrum.tolist()}
