"""DINO's state and its two alarms."""

import math
from typing import Any

import torch

from jepa_compare.latents import Latents
from jepa_compare.losses.dino import DINO


def build(**changed: float) -> DINO:
    torch.manual_seed(0)
    arguments: dict[str, Any] = dict(
        dim=6,
        student_temperature=0.1,
        teacher_temperature=0.04,
        warmup_teacher_temperature=0.02,
        warmup_fraction=0.5,
        center_momentum=0.9,
        prototypes=8,
        hidden=[12],
        bottleneck=4,
        batch_norm=True,
        head_momentum=0.9,
        symmetric=True,
    )
    arguments |= changed
    return DINO(**arguments)


def latents() -> Latents:
    z = torch.randn(2, 16, 1, 6, generator=torch.Generator().manual_seed(0))
    return Latents(z_pred=z[0], z_target=z[1], z_context=z[0])


def test_the_center_moves_once_after_its_use() -> None:
    loss = build()
    first = loss(latents()).loss
    moved = loss.center.clone()
    assert moved.abs().max() > 0
    again = build()
    assert torch.equal(again(latents()).loss, first)  # the center of zero was used
    assert torch.equal(again.center, moved)


def test_the_teacher_head_follows_with_its_momentum() -> None:
    loss = build()
    old = loss.teacher.prototypes.clone()
    with torch.no_grad():
        loss.student.prototypes.add_(1.0)
    loss.on_step_end(0.5)
    torch.testing.assert_close(loss.teacher.prototypes.detach(), old + 0.1)


def test_the_temperature_warms_up() -> None:
    loss = build()
    seen = []
    for progress in (0.0, 0.25, 0.5, 1.0):
        loss.prepare(0, progress, torch.Generator())
        seen.append(round(loss.temperature.item(), 6))
    assert seen == [0.02, 0.03, 0.04, 0.04]


def test_no_gradient_reaches_the_teachers_input() -> None:
    z = torch.randn(2, 16, 1, 6, requires_grad=True)
    loss = build(symmetric=False)
    loss(Latents(z_pred=z[0], z_target=z[1], z_context=z[0])).loss.backward()
    assert z.grad is not None
    assert z.grad[0].abs().max() > 0
    assert z.grad[1].abs().max() == 0


def test_alarms_name_both_collapses_and_no_other_state() -> None:
    loss = build()
    most = math.log(8)
    assert "uniform" in loss.alarms({"teacher_entropy": most, "kl": 0.0})[0]
    assert "one prototype" in loss.alarms({"teacher_entropy": 1e-4, "kl": 1e-5})[0]
    assert loss.alarms({"teacher_entropy": 0.5 * most, "kl": 0.0}) == []
    assert loss.alarms({"teacher_entropy": most, "kl": 0.5}) == []
