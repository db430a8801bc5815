"""How far predicted latents are from the encoded ones, k steps ahead.

Shape legend: b trajectories, t frames, k rollout steps, d latent dimensions, p position dimensions.
"""

from jaxtyping import Float
from torch import Tensor

from jepa_compare.evaluation.measures.probe import Probe, rmse


def relative_error(
    predicted: Float[Tensor, "b d"], target: Float[Tensor, "b d"], start: Float[Tensor, "b d"]
) -> Float[Tensor, ""]:
    """Mean squared error over that of copying the first latent: a ratio of means.

    1 is no better than predicting that nothing happens. A diagnostic only: it is not comparable
    between losses, and some reward collapse. NaN for an encoder that is exactly constant.
    """
    copied = (start - target).double().square().mean()
    return (predicted - target).double().square().mean() / copied


def rollout_errors(
    latents: Float[Tensor, "b t d"],
    predicted: Float[Tensor, "b k d"],
    positions: Float[Tensor, "b t p"],
    probe: Probe,
    steps: list[int],
) -> dict[str, Float[Tensor, ""]]:
    """`rollout_relative_<k>`, and `rollout_rmse_<k>`: the prediction decoded to a position, in
    the positions' unit, for every k of `steps`. `predicted` starts at frame 1."""
    errors: dict[str, Tensor] = {}
    for k in steps:
        z = predicted[:, k - 1]
        errors[f"rollout_relative_{k}"] = relative_error(z, latents[:, k], latents[:, 0])
        errors[f"rollout_rmse_{k}"] = rmse(probe(z), positions[:, k])
    return errors
