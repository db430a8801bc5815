"""The gradient that is made in the forward: what transforms see of it, and what it refuses."""

import pytest
import torch

from tests.support.fused_losses import FUNCTIONS, PAIRS, SHAPES, sample, value_and_gradient


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
