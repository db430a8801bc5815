"""Gradients made in the forward: how a fast form hands autograd what it has already computed.

The losses here are sums over a batch whose gradient needs the same large intermediate results as
their value: the covariance matrix, the empirical characteristic function, a softmax. Left alone,
autograd keeps those until the backward and there reads them again, with temporaries of its own. A
fast form makes value and gradient side by side under `no_grad`, and lets the intermediate results
go; `with_gradient` then ties the two together. To autograd the loss is one node that has saved its
gradient, and its backward is one product, (upstream gradient) · (saved gradient).

The saved gradient is a number, not a function of the inputs, so a second derivative through it
would be silently wrong. It raises RuntimeError instead. `torch.func` transforms work.

Shape legend: n samples, d dimensions.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


class _Product(torch.autograd.Function):
    """upstream · gradient as a function of the input `z`, to refuse a derivative of itself."""

    generate_vmap_rule = True

    @staticmethod
    def forward(upstream: Tensor, gradient: Tensor, z: Tensor) -> Tensor:
        return upstream * gradient

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:  # pyright: ignore
        raise RuntimeError("this loss makes its gradient in the forward: no double backward")


class _WithGradient(torch.autograd.Function):
    """The value; its inputs are followed by as many gradients, one for each."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, *inputs_and_gradients: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        half = len(ctx.saved_tensors) // 2
        inputs, gradients = ctx.saved_tensors[:half], ctx.saved_tensors[half:]
        wanted = ctx.needs_input_grad[1 : half + 1]
        again = torch.is_grad_enabled()  # somebody differentiates what is returned here
        products = [
            None if not wants else _Product.apply(upstream, g, z) if again else upstream * g
            for z, g, wants in zip(inputs, gradients, wanted, strict=True)
        ]
        return (None, *products, *(None for _ in gradients))  # pyright: ignore


def with_gradient(
    value: Float[Tensor, ""], gradients: list[tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]]
) -> Float[Tensor, ""]:
    """`value` as a function of the first of each pair, with the second as its gradient.

    A double backward raises RuntimeError.
    """
    inputs, values = zip(*gradients, strict=True)
    result = _WithGradient.apply(value, *inputs, *values)
    assert isinstance(result, Tensor)
    return result
