"""VICReg at the smaller of n²d and nd² operations, with the gradient.

Shape legend: n samples (m of the context), d dimensions.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from jepa_compare.losses.fused.autograd import with_gradient
from jepa_compare.losses.fused.gram import gram


def vicreg(
    views: list[Float[Tensor, "n d"]],
    context: Float[Tensor, "m d"] | None,
    *,
    sim_coeff: float,
    std_coeff: float,
    cov_coeff: float,
    gamma: float,
    eps: float,
) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
    """The loss, and its terms: variance averaged, covariance summed over what is regularised.

    Regularised is `context`, or where it is None the views. `views` is empty where the two are not
    compared; then `sim_coeff` is 0 and there is no similarity among the terms.
    """
    regularised = views if context is None else [context]
    share = 1 / len(regularised)
    value = regularised[0].new_zeros(())
    terms: dict[str, Tensor] = {}
    difference = value
    if views:
        difference = views[0].detach() - views[1].detach()
        terms["similarity"] = (difference * difference).mean()
        value = sim_coeff * terms["similarity"]
    variance, covariance = torch.zeros_like(value), torch.zeros_like(value)
    gradients = []
    for z in regularised:
        v, c, grad = variance_and_covariance(z.detach(), gamma, eps, std_coeff * share, cov_coeff)
        gradients.append((z, grad))
        variance, covariance = variance + share * v, covariance + c
    value = value + std_coeff * variance + cov_coeff * covariance
    if sim_coeff:
        if context is not None:
            gradients += [(view, torch.zeros_like(view)) for view in views]
        slope = 2 * sim_coeff / difference.numel()
        gradients[-2][1].add_(difference, alpha=slope)
        gradients[-1][1].sub_(difference, alpha=slope)
    terms |= {"variance": variance, "covariance": covariance}
    return with_gradient(value, gradients), terms


@torch.no_grad()
def variance_and_covariance(
    z: Float[Tensor, "n d"], gamma: float, eps: float, std_coeff: float, cov_coeff: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, "n d"]]:
    """Both terms, and the gradient of std_coeff · variance + cov_coeff · covariance.

    ‖ZᵀZ‖² = ‖ZZᵀ‖² lets the covariance term cost the smaller of n²d and nd².
    """
    n, d = z.shape
    centred = z - z.mean(dim=0)
    centred -= centred.mean(dim=0)  # again: the first mean was rounded at z's offset
    form = _by_samples if 4 * n <= 3 * d else _by_features
    return form(centred, gamma, eps, std_coeff, cov_coeff)


def _by_features(
    centred: Float[Tensor, "n d"], gamma: float, eps: float, std_coeff: float, cov_coeff: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, "n d"]]:
    """From the d×d covariance. Its diagonal is zeroed: subtracting its square from the whole is
    off by a factor of two for nearly decorrelated features."""
    n, d = centred.shape
    var = (centred * centred).sum(dim=0) / (n - 1)
    std = (var + eps).sqrt()
    cov = (centred.T @ centred / (n - 1)).fill_diagonal_(0)
    covariance = (cov * cov).sum() / d
    variance_grad = centred * _variance_slope(std, gamma, std_coeff / (d * (n - 1)))
    grad = torch.addmm(variance_grad, centred, cov, alpha=4 * cov_coeff / (d * (n - 1)))
    return F.relu(gamma - std).mean(), covariance, grad


def _by_samples(
    centred: Float[Tensor, "n d"], gamma: float, eps: float, std_coeff: float, cov_coeff: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, "n d"]]:
    """From the n×n Gram matrix, whose ‖·‖² holds the diagonal of the covariance as well.

    Subtracting that is safe among features that cannot all be decorrelated. At most n − 1 can, so
    the n features of largest variance are treated in float64, as sums and as columns of the
    gradient: of n vectors in n − 1 dimensions some correlate by at least the smallest variance
    among them, and no other feature has a larger one.
    """
    n, d = centred.shape
    squares = (centred * centred).sum(dim=0)
    chosen = squares.topk(n, sorted=False).indices
    places = chosen.expand(n, n)
    top = centred.gather(1, places).double()
    top_squares = (top * top).sum(dim=0)
    top_gram = gram(top)
    rest_gram = gram(centred.scatter(1, places, 0.0)).double()
    rest_squares = squares.scatter(0, chosen, 0.0).double()

    energy = (top_gram * top_gram).sum() - (top_squares * top_squares).sum()
    energy += ((2 * top_gram + rest_gram) * rest_gram).sum() - (rest_squares * rest_squares).sum()
    covariance = (energy / (d * (n - 1) ** 2)).to(centred.dtype)

    scale = 4 * cov_coeff / (d * (n - 1) ** 2)
    whole = (top_gram + rest_gram) * scale

    def gradient(z: Tensor, squares: Tensor) -> Tensor:
        std = (squares / (n - 1) + eps).sqrt()
        slope = _variance_slope(std, gamma, std_coeff / (d * (n - 1)))
        return torch.addmm(z * (slope - scale * squares), whole.to(z.dtype), z)

    grad = gradient(centred, squares)
    grad = grad.scatter(1, places, gradient(top, top_squares).to(grad.dtype))
    std = (squares / (n - 1) + eps).sqrt()
    return F.relu(gamma - std).mean(), covariance, grad


def _variance_slope(std: Float[Tensor, " d"], gamma: float, scale: float) -> Float[Tensor, " d"]:
    """What the centred features are multiplied by in the gradient of the variance term."""
    return (std < gamma).to(std.dtype).div_(std).mul_(-scale)
