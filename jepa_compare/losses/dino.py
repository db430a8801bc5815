"""DINO: self-distillation with no labels (Caron et al., arXiv 2104.14294).

    H(q, p) = −Σ_k q_k log p_k                               (equation 2)
    L = mean over pairs of views x ≠ x′ of H(P_t(x), P_s(x′))   (equation 3, a sum there)

Shape legend: n samples, d dimensions, p prototypes.
"""

import copy
import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from jepa_compare.checks import require_above, require_at_least, require_between
from jepa_compare.ema import follow
from jepa_compare.latents import Latents
from jepa_compare.losses.base import AuxLoss, AuxOutput
from jepa_compare.losses.common import no_autocast, require_widths, views
from jepa_compare.losses.fused.dino import distil, teacher_probabilities_and_entropies


def teacher_probabilities(
    scores: Float[Tensor, "n p"], center: Float[Tensor, " p"], temperature: float | Tensor
) -> Float[Tensor, "n p"]:
    """Equation 1 of the teacher: P_t = softmax((scores − center)/τ_t), centred and sharpened."""
    return F.softmax((scores - center) / temperature, dim=-1)


def soft_cross_entropy(
    logits: Float[Tensor, "n p"], teacher: Float[Tensor, "n p"]
) -> Float[Tensor, ""]:
    """Equation 2: H(P_t, P_s), where the student's P_s is the softmax of `logits`, scores/τ_s."""
    return -(teacher * F.log_softmax(logits, dim=-1)).sum(dim=-1).mean()


def next_center(
    center: Float[Tensor, " p"], scores: Float[Tensor, "n p"], momentum: float
) -> Float[Tensor, " p"]:
    """Equation 4: m · center + (1 − m) · mean of the teacher's scores."""
    return torch.lerp(scores.mean(dim=0), center, momentum)


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
    """A DINO head on a shared encoder, which is not the paper's whole method.

    The loss is the cross-entropy of a student head's prototypes against a centred, sharpened EMA
    teacher head. The teacher's input is detached, so it works with a shared encoder: the teacher is
    the EMA *head*. The teacher sees both views at once; the student one at a time, each normalised
    by its own batch statistics when training. The center moves once per step, after its use.
    Unlike the paper's, which `DINOPaper` is, the momentum of the head is constant, its last layer
    is not frozen at first, and its layers start as torch starts them.

    It collapses in two ways, uniform or one prototype, and either way the KL divergence vanishes:
    the terms hold the teacher's entropy and the KL, and `alarms` reads them.

    Args:
        dim: latent dimensions, from the model.
        student_temperature: τ_s, by which the student's scores are divided. Paper: 0.1.
        teacher_temperature: τ_t, by which the teacher's scores are divided after the warm-up.
            Paper: 0.04 to 0.07.
        warmup_teacher_temperature: τ_t at the first step. Paper: 0.04.
        warmup_fraction: the share of the training over which τ_t goes linearly from one to the
            other; 0 for none. Paper: the first 30 epochs.
        center_momentum: m, the share of the old center in the new one, per step. Paper: 0.9.
        prototypes: K, the outputs of the head. Paper: 65536.
        hidden: widths of the head's hidden layers. Paper: [2048, 2048].
        bottleneck: width of the layer before the prototypes. Paper: 256.
        batch_norm: whether BatchNorm follows each hidden layer. Paper: false with a ViT; the
            default task here collapses without.
        head_momentum: the share of the old teacher head in the new one, per step. Paper: 0.996,
            rising to 1 along a cosine.
        symmetric: whether each view is predicted from the other and the two are averaged, as in
            the paper, or only z_target from z_pred.
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
        require_above(
            0,
            student_temperature=student_temperature,
            teacher_temperature=teacher_temperature,
            warmup_teacher_temperature=warmup_teacher_temperature,
        )
        require_between(
            0,
            1,
            warmup_fraction=warmup_fraction,
            center_momentum=center_momentum,
            head_momentum=head_momentum,
        )
        require_at_least(2, prototypes=prototypes)
        require_at_least(1, bottleneck=bottleneck)
        require_widths(hidden=hidden)
        self.student_temperature = student_temperature
        self.teacher_temperature = teacher_temperature
        self.warmup_teacher_temperature = warmup_teacher_temperature
        self.warmup_fraction = warmup_fraction
        self.center_momentum = center_momentum
        self.head_momentum = head_momentum
        self.symmetric = symmetric
        self.student = Head(dim, hidden, bottleneck, prototypes, batch_norm)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
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
            q, entropies = self.teach(torch.cat([prediction, target]))
            pairs = [(self.student(prediction), q[n:])]
            if self.symmetric:
                pairs.append((self.student(target), q[:n]))
            return self.learn(pairs, (entropies if self.symmetric else entropies[n:]).mean())

    @torch.no_grad()
    def teach(self, z: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "n p"], Float[Tensor, " n"]]:
        """The teacher's probabilities and their entropy per sample; the center moves after."""
        scores = self.teacher(z)
        q, entropies = teacher_probabilities_and_entropies(scores, self.center, self.temperature)
        if self.training:
            self.center.copy_(next_center(self.center, scores, self.center_momentum))
        return q, entropies

    def learn(
        self,
        pairs: list[tuple[Float[Tensor, "n p"], Float[Tensor, "n p"]]],
        entropy: Float[Tensor, ""],
    ) -> AuxOutput:
        """The loss over pairs of student scores and teacher probabilities of that mean entropy."""
        loss = distil(pairs, self.student_temperature)
        detached = loss.detach()
        terms = {"cross_entropy": detached, "teacher_entropy": entropy, "kl": detached - entropy}
        return AuxOutput(loss=loss, terms=terms)

    def on_step_end(self, progress: float) -> None:
        follow(self.teacher, self.student, self.head_momentum)

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
