"""DINO as in the paper (Caron et al., arXiv 2104.14294): the teacher is an EMA of encoder and head.

Shape legend: n samples, d dimensions, p prototypes.
"""

import torch
from torch import nn

from jepa_compare.checks import require_between
from jepa_compare.ema import decay_at, follow
from jepa_compare.latents import Latents
from jepa_compare.losses.base import AuxOutput
from jepa_compare.losses.common import no_autocast, views
from jepa_compare.losses.dino import DINO


class DINOPaper(DINO):
    """The paper's head, its start and its schedules, for a run with `target: ema`.

    The EMA encoder is the run's target encoder; `target_decay` and `final_target_decay` are its
    momentum, to be the same as the head's. The student sees z_pred and the teacher z_target: the
    views are made by prediction and not by crops, so there is one pair where the paper has several.
    The terms and the alarms are `DINO`'s.

    Args:
        dim: latent dimensions, from the model.
        student_temperature: τ_s, by which the student's scores are divided. Paper: 0.1.
        teacher_temperature: τ_t, by which the teacher's scores are divided after the warm-up.
            Paper: 0.07.
        warmup_teacher_temperature: τ_t at the first step. Paper: 0.04.
        warmup_fraction: the share of the training over which τ_t goes linearly from one to the
            other; 0 for none. Paper: the first 30 epochs.
        center_momentum: m, the share of the old center in the new one, per step. Paper: 0.9.
        prototypes: K, the outputs of the head. Paper: 65536.
        hidden: widths of the head's hidden layers. Paper: [2048, 2048].
        bottleneck: width of the layer before the prototypes. Paper: 256.
        head_momentum: the share of the old teacher head in the new one, per step, at first.
            Paper: 0.996.
        final_head_momentum: what it goes to along a cosine. Paper: 1.
        frozen_fraction: the share of the training in which the prototypes stay as they started.
            Authors' code: the first epoch.
    """

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
        head_momentum: float,
        final_head_momentum: float,
        frozen_fraction: float,
    ) -> None:
        super().__init__(
            dim=dim,
            student_temperature=student_temperature,
            teacher_temperature=teacher_temperature,
            warmup_teacher_temperature=warmup_teacher_temperature,
            warmup_fraction=warmup_fraction,
            center_momentum=center_momentum,
            prototypes=prototypes,
            hidden=hidden,
            bottleneck=bottleneck,
            batch_norm=False,
            head_momentum=head_momentum,
            symmetric=False,
        )
        require_between(
            0, 1, final_head_momentum=final_head_momentum, frozen_fraction=frozen_fraction
        )
        self.final_head_momentum = final_head_momentum
        self.frozen_fraction = frozen_fraction
        for layer in self.student.body:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        largest = bottleneck**-0.5  # torch's start of a linear layer, which the authors keep
        nn.init.uniform_(self.student.prototypes, -largest, largest)
        self.teacher.load_state_dict(self.student.state_dict())

    def prepare(self, step: int, progress: float, generator: torch.Generator) -> None:
        super().prepare(step, progress, generator)
        # Without a gradient the optimiser leaves them alone, moments and weight decay included;
        # a compiled step is compiled once more when they are let go.
        self.student.prototypes.requires_grad_(progress >= self.frozen_fraction)

    def forward(self, latents: Latents) -> AuxOutput:
        with no_autocast(latents.z_pred):
            prediction, target = views(latents)
            q, entropies = self.teach(target)
            return self.learn([(self.student(prediction), q)], entropies.mean())

    def on_step_end(self, progress: float) -> None:
        momentum = decay_at(progress, self.head_momentum, self.final_head_momentum)
        follow(self.teacher, self.student, momentum)
