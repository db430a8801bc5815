"""Barlow Twins' scale, in both forms of its sums."""

import pytest
import torch

from jepa_compare.latents import Latents
from jepa_compare.losses.barlow_twins import BarlowTwins
from tests.support.fused_losses import sample


@pytest.mark.parametrize("n", [4, 16])
def test_a_weight_scales_with_scale_loss(n: int) -> None:
    a, b = (sample("gaussian", n, 8, seed=s)[:, None].requires_grad_() for s in (0, 1))
    latents = Latents(z_pred=a, z_target=b, z_context=a)
    one, tenth = (
        BarlowTwins(dim=8, off_diagonal_weight=0.01, scale_loss=s, projector=[])(latents).loss
        for s in (1.0, 0.1)
    )
    torch.testing.assert_close(tenth, 0.1 * one)
    grads = [torch.autograd.grad(loss, latents.z_pred)[0] for loss in (one, tenth)]
    torch.testing.assert_close(grads[1], 0.1 * grads[0])
