"""What several losses need: flattening, gradients made in the forward, a projector, checks.

Shape legend: n samples, d dimensions.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from jepa_compare.latents import Latents


def require(condition: bool, name: str, value: Any, allowed: str) -> None:
    """Raise ValueError("aux_loss.<name>=<value>: must be <allowed>") unless `condition`."""
    if not condition:
        raise ValueError(f"aux_loss.{name}={value}: must be {allowed}")


def require_at_least(low: float, **values: float) -> None:
    """Raise ValueError for the first of `values` below `low`."""
    for name, value in values.items():
        require(value >= low, name, value, f"at least {low}")


def flatten(z: Float[Tensor, "*leading d"]) -> Float[Tensor, "n d"]:
    """All leading axes as samples, in float32 whatever autocast made of them."""
    return z.flatten(0, -2).float()


def views(latents: Latents) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """z_pred and z_target as samples."""
    return flatten(latents.z_pred), flatten(latents.z_target)


def regularised(latents: Latents, on: str) -> list[Float[Tensor, "n d"]]:
    """What statistics are taken of: the two views, or every frame that the encoder saw."""
    return [flatten(latents.z_context)] if on == "context" else list(views(latents))


def require_on(on: str) -> None:
    """Raise ValueError unless `on` is one of the two places for statistics."""
    require(on in ("views", "context"), "on", on, "views (z_pred and z_target) or context")


def inert_on_views(on: str, target: str) -> str | None:
    """`AuxLoss.inert_terms` of a loss that is a sum of terms, one of them on z_target alone."""
    if on == "views" and target != "shared":
        return "no gradient reaches z_target, so half of this loss is a constant"
    return None


def no_autocast(z: Tensor) -> torch.autocast:
    """The context in which a loss computes: float32 means float32."""
    return torch.autocast(z.device.type, enabled=False)


class _Made(torch.autograd.Function):
    """grad · made, and an end to differentiation: `made` is a number, not a function of `z`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(grad: Tensor, made: Tensor, z: Tensor) -> Tensor:
        return grad * made

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:  # pyright: ignore
        raise RuntimeError("this loss makes its gradient in the forward: no double backward")


class _MadeInForward(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, *inputs_and_gradients: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        half = len(ctx.saved_tensors) // 2
        inputs, made = ctx.saved_tensors[:half], ctx.saved_tensors[half:]
        wanted = ctx.needs_input_grad[1 : half + 1]
        again = torch.is_grad_enabled()  # somebody differentiates what is made here
        gradients = [
            None if not wants else _Made.apply(grad, m, z) if again else grad * m
            for z, m, wants in zip(inputs, made, wanted, strict=True)
        ]
        return (None, *gradients, *(None for _ in made))  # pyright: ignore


def with_gradient(
    value: Float[Tensor, ""], gradients: list[tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]]
) -> Float[Tensor, ""]:
    """`value` as a function of the first of each pair, with the second as its gradient.

    Forming the gradient beside the value shares their intermediate results and keeps none of them
    for the backward. A double backward raises RuntimeError.
    """
    inputs, made = zip(*gradients, strict=True)
    result = _MadeInForward.apply(value, *inputs, *made)
    assert isinstance(result, Tensor)
    return result


def gram(z: Float[Tensor, "n d"]) -> Float[Tensor, "n n"]:
    """zzᵀ; on a CPU by panels of its upper triangle, which are little more than half the work."""
    n = z.shape[0]
    if z.device.type != "cpu":
        return z @ z.T
    panels = [F.pad(z[i : i + 64] @ z[i:].T, (i, 0)) for i in range(0, n, 64)]
    upper = torch.cat(panels).triu()
    return upper + upper.triu(1).T


def build_projector(dim: int, widths: list[int]) -> nn.Module:
    """Linear, BatchNorm, ReLU blocks and a last linear layer without bias; [] is the identity.

    The architecture of VICReg's and Barlow Twins' expanders.
    """
    require(all(width >= 1 for width in widths), "projector", widths, "a list of positive widths")
    layers: list[nn.Module] = []
    for width in widths[:-1]:
        layers += [nn.Linear(dim, width), nn.BatchNorm1d(width), nn.ReLU()]
        dim = width
    if widths:
        layers.append(nn.Linear(dim, widths[-1], bias=False))
    return nn.Sequential(*layers)
