"""DINO: self-distillation with no labels (Caron et al., arXiv 2104.14294).

Shape legend: n samples, d dimensions, p prototypes.
"""

import copy
import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from jepa_compare.latents import Latents
from jepa_compare.losses.base import AuxLoss, AuxOutput
from jepa_compare.losses.common import (
    no_autocast,
    require,
    require_at_least,
    views,
    with_gradient,
)


def soft_cross_entropy(
    logits: Float[Tensor, "n p"], teacher: Float[Tensor, "n p"]
) -> Float[Tensor, ""]:
    """Equation 2, the textbook form."""
    return -(teacher * F.log_softmax(logits, dim=-1)).sum(dim=-1).mean()


def distil(
    pairs: list[tuple[Float[Tensor, "n p"], Float[Tensor, "n p"]]], temperature: float
) -> Float[Tensor, ""]:
    """`soft_cross_entropy(scores/temperature, q)`, averaged over pairs of student scores and
    teacher probabilities q, with its gradient (softmax − q)/(n · temperature) made in the forward.

    One softmax serves both: where the logits are shifted to a maximum of 0, its largest entry is
    1/Σeˣ, which is all that the value lacks.
    """
    values, made = [], []
    with torch.no_grad():
        for scores, q in pairs:
            logits = (scores - scores.amax(dim=-1, keepdim=True)).mul_(1 / temperature)
            p = logits.softmax(dim=-1)
            values.append(-p.amax(dim=-1).log() - logits.mul_(q).sum(dim=-1))
            made.append((scores, p.sub_(q)))
        total = torch.cat(values).sum()
    samples = sum(len(scores) for scores, _ in pairs)
    slope = 1 / (samples * temperature)  # to spare a pass over what is made
    return slope * with_gradient(total * temperature, made)


@torch.no_grad()
def teacher_probabilities(
    scores: Float[Tensor, "n p"], center: Float[Tensor, " p"], temperature: Float[Tensor, ""]
) -> tuple[Float[Tensor, "n p"], Float[Tensor, " n"]]:
    """softmax((scores − center)/temperature) and its entropy, in nats."""
    logits = (scores - scores.amax(dim=-1, keepdim=True)).sub_(center).div_(temperature)
    q = logits.softmax(dim=-1)
    log_sum = logits.amax(dim=-1) - q.amax(dim=-1).log()
    return q, log_sum - logits.mul_(q).sum(dim=-1)


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
                q, entropies = teacher_probabilities(scores, self.center, self.temperature)
                if self.training:
                    mean = scores.mean(dim=0)
                    self.center.copy_(torch.lerp(mean, self.center, self.center_momentum))
            pairs = [(self.student(prediction), q[n:])]
            if self.symmetric:
                pairs.append((self.student(target), q[:n]))
            loss = distil(pairs, self.student_temperature)
            entropy = (entropies if self.symmetric else entropies[n:]).mean()
        detached = loss.detach()
        terms = {"cross_entropy": detached, "teacher_entropy": entropy, "kl": detached - entropy}
        return AuxOutput(loss=loss, terms=terms)

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
