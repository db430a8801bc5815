"""DINO: self-distillation with no labels (Caron et al., arXiv 2104.14294).

Shape legend: n samples, d dimensions, p prototypes.
"""

import copy
import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from jepa_compare.latents import Latents
from jepa_compare.losses.base import AuxLoss, AuxOutput
from jepa_compare.losses.common import no_autocast, require, require_at_least, views


class SoftCrossEntropy(torch.autograd.Function):
    """−Σ q log softmax(s), mean over samples, for teacher probabilities q that need no gradient.

    Its gradient (softmax(s) − q)/n is made from the log-probabilities that the value needs anyway.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Float[Tensor, "n p"], teacher: Float[Tensor, "n p"]
    ) -> Float[Tensor, ""]:
        log_p = F.log_softmax(logits, dim=-1)
        value = -(teacher * log_p).sum() / logits.shape[0]
        ctx.save_for_backward(log_p.exp_().sub_(teacher).div_(logits.shape[0]))
        return value

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore
        if torch.is_grad_enabled():
            raise RuntimeError("this loss makes its gradient in the forward: no double backward")
        (made,) = ctx.saved_tensors
        return grad * made, None


def soft_cross_entropy(
    logits: Float[Tensor, "n p"], teacher: Float[Tensor, "n p"]
) -> Float[Tensor, ""]:
    """Equation 2, the textbook form."""
    return -(teacher * F.log_softmax(logits, dim=-1)).sum(dim=-1).mean()


class Head(nn.Module):
    """MLP with GELU, a bottleneck on the unit sphere, prototypes on the unit sphere."""

    def __init__(
        self, dim: int, hidden: list[int], bottleneck: int, prototypes: int, batch_norm: bool
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in hidden:
            layers.append(nn.Linear(dim, width, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm1d(width))
            layers.append(nn.GELU())
            dim = width
        self.body = nn.Sequential(*layers, nn.Linear(dim, bottleneck))
        self.prototypes = nn.Parameter(torch.randn(prototypes, bottleneck))

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n p"]:
        features = F.normalize(self.body(z), dim=-1)
        return features @ F.normalize(self.prototypes, dim=-1).T


class DINO(AuxLoss):
    """Cross-entropy of a student head's prototypes against a centred, sharpened EMA teacher head.

    The teacher's input is detached, so it works with a shared encoder: the teacher is the EMA
    *head*. The teacher sees both views at once; the student one at a time, each normalised by its
    own batch statistics when training. `symmetric` predicts each view from the other and averages.
    The center moves once per step, after its use (equation 4). The teacher's temperature warms up
    linearly from `warmup_teacher_temperature` over the fraction `warmup_fraction` of the training.

    It collapses in two ways, uniform or one prototype, and either way the KL divergence vanishes:
    the terms hold the teacher's entropy and the KL, and `alarms` reads them.
    """

    center: Tensor
    temperature: Tensor

    def __init__(
        self,
        *,
        dim: int,
        student_temperature: float,
        teacher_temperature: float,
        warmup_teacher_temperature: float,
        warmup_fraction: float,
        center_momentum: float,
        prototypes: int,
        hidden: list[int],
        bottleneck: int,
        batch_norm: bool,
        head_momentum: float,
        symmetric: bool,
    ) -> None:
        super().__init__()
        for name, value in (
            ("student_temperature", student_temperature),
            ("teacher_temperature", teacher_temperature),
            ("warmup_teacher_temperature", warmup_teacher_temperature),
        ):
            require(value > 0, name, value, "above 0")
        for name, value in (
            ("warmup_fraction", warmup_fraction),
            ("center_momentum", center_momentum),
            ("head_momentum", head_momentum),
        ):
            require(0 <= value <= 1, name, value, "between 0 and 1")
        require_at_least(2, prototypes=prototypes)
        require_at_least(1, bottleneck=bottleneck)
        require(all(width >= 1 for width in hidden), "hidden", hidden, "a list of positive widths")
        self.student_temperature = student_temperature
        self.teacher_temperature = teacher_temperature
        self.warmup_teacher_temperature = warmup_teacher_temperature
        self.warmup_fraction = warmup_fraction
        self.center_momentum = center_momentum
        self.symmetric = symmetric
        self.student = Head(dim, hidden, bottleneck, prototypes, batch_norm)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self._average = get_ema_multi_avg_fn(head_momentum)
        self.register_buffer("center", torch.zeros(prototypes))
        self.register_buffer("temperature", torch.tensor(float(warmup_teacher_temperature)))

    def prepare(self, step: int, progress: float, generator: torch.Generator) -> None:
        warm = min(1.0, progress / self.warmup_fraction) if self.warmup_fraction else 1.0
        start, end = self.warmup_teacher_temperature, self.teacher_temperature
        self.temperature.fill_(start + warm * (end - start))

    def forward(self, latents: Latents) -> AuxOutput:
        with no_autocast(latents.z_pred):
            prediction, target = views(latents)
            n = len(prediction)
            with torch.no_grad():
                scores = self.teacher(torch.cat([prediction, target]))
                log_q = F.log_softmax((scores - self.center) / self.temperature, dim=-1)
                q = log_q.exp()
                if self.training:
                    mean = scores.mean(dim=0)
                    self.center.copy_(torch.lerp(mean, self.center, self.center_momentum))
            student = self.student(prediction) / self.student_temperature
            loss = SoftCrossEntropy.apply(student, q[n:])
            entropy = self._entropy(q[n:], log_q[n:])
            if self.symmetric:
                other = self.student(target) / self.student_temperature
                loss = (loss + SoftCrossEntropy.apply(other, q[:n])) / 2
                entropy = (entropy + self._entropy(q[:n], log_q[:n])) / 2
        detached = loss.detach()
        terms = {"cross_entropy": detached, "teacher_entropy": entropy, "kl": detached - entropy}
        return AuxOutput(loss=loss, terms=terms)

    @staticmethod
    def _entropy(q: Float[Tensor, "n p"], log_q: Float[Tensor, "n p"]) -> Float[Tensor, ""]:
        return -(q * log_q).sum(dim=-1).mean()

    @torch.no_grad()
    def on_step_end(self, progress: float) -> None:
        averaged: list[Tensor] = list(self.teacher.parameters())
        online: list[Tensor] = list(self.student.parameters())
        self._average(averaged, online, torch.tensor(0))

    def alarms(self, terms: dict[str, float]) -> list[str]:
        """KL → 0 with the teacher's entropy at either end of its range."""
        entropy, kl = terms["teacher_entropy"], terms["kl"]
        most = math.log(len(self.center))
        if kl > 0.01 * most:
            return []
        if entropy > 0.99 * most:
            return [f"DINO collapses to uniform: teacher entropy {entropy:.3g} of {most:.3g}"]
        if entropy < 0.01 * most:
            return [f"DINO collapses to one prototype: teacher entropy {entropy:.3g}"]
        return []
