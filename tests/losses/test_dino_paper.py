"""What the paper's DINO has beside `dino`: its start, its frozen prototypes, its momentum."""

from typing import Any

import pytest
import torch
from torch import nn

from jepa_compare.latents import Latents
from jepa_compare.losses.dino_paper import DINOPaper


def build(**changed: Any) -> DINOPaper:
    torch.manual_seed(0)
    arguments: dict[str, Any] = dict(
        dim=64,
        student_temperature=0.1,
        teacher_temperature=0.07,
        warmup_teacher_temperature=0.04,
        warmup_fraction=0.3,
        center_momentum=0.9,
        prototypes=32,
        hidden=[64, 64],
        bottleneck=16,
        head_momentum=0.9,
        final_head_momentum=1.0,
        frozen_fraction=0.1,
    )
    return DINOPaper(**arguments | changed)


def latents() -> Latents:
    z = torch.randn(2, 16, 1, 64, generator=torch.Generator().manual_seed(0))
    return Latents(z_pred=z[0].requires_grad_(), z_target=z[1], z_context=z[0])


def test_the_head_starts_as_the_authors_and_the_teacher_as_the_student() -> None:
    loss = build()
    linear = [layer for layer in loss.student.body if isinstance(layer, nn.Linear)]
    assert not any(isinstance(layer, nn.BatchNorm1d) for layer in loss.student.body)
    assert [layer.weight.std().item() for layer in linear] == pytest.approx([0.02] * 3, rel=0.1)
    assert all(layer.bias.abs().max() == 0 for layer in linear)
    assert loss.student.prototypes.abs().max() <= 16**-0.5
    for teacher, student in zip(loss.teacher.parameters(), loss.student.parameters(), strict=True):
        assert torch.equal(teacher, student) and not teacher.requires_grad


def test_the_prototypes_are_frozen_at_first_moments_and_weight_decay_included() -> None:
    loss = build()
    optimizer = torch.optim.AdamW([p for p in loss.parameters() if p.requires_grad], lr=0.1)
    start = loss.student.prototypes.detach().clone()
    moved = []
    for progress in (0.0, 0.05, 0.1):
        loss.prepare(0, progress, torch.Generator())
        optimizer.zero_grad()
        loss(latents()).loss.backward()
        optimizer.step()
        moved.append(not torch.equal(loss.student.prototypes, start))
    assert moved == [False, False, True]
    assert optimizer.state[loss.student.prototypes]["step"] == 1


def test_the_momentum_of_the_head_rises() -> None:
    loss = build()
    old = loss.teacher.prototypes.clone()
    with torch.no_grad():
        loss.student.prototypes.add_(1.0)
    loss.on_step_end(1.0)
    assert torch.equal(loss.teacher.prototypes, old)
    loss.on_step_end(0.5)
    torch.testing.assert_close(loss.teacher.prototypes.detach(), old + 0.05)


def test_the_center_follows_what_the_ema_encoder_gives_alone() -> None:
    loss = build()
    given = latents()
    loss(given)
    scores = loss.teacher(given.z_target.flatten(0, 1))
    torch.testing.assert_close(loss.center, 0.1 * scores.mean(dim=0).detach())
