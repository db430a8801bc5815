"""DINO's cross-entropy and teacher, each from one softmax.

Shape legend: n samples, p prototypes.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.losses.fused.autograd import with_gradient


def distil(
    pairs: list[tuple[Float[Tensor, "n p"], Float[Tensor, "n p"]]], temperature: float
) -> Float[Tensor, ""]:
    """Equation 2 of scores/temperature, averaged over pairs of student scores and teacher
    probabilities q, with its gradient (softmax − q)/(n · temperature) made in the forward.

    One softmax serves both: where the logits are shifted to a maximum of 0, its largest entry is
    1/Σeˣ, which is all that the value lacks.
    """
    values, gradients = [], []
    with torch.no_grad():
        for scores, q in pairs:
            logits = (scores - scores.amax(dim=-1, keepdim=True)).mul_(1 / temperature)
            p = logits.softmax(dim=-1)
            values.append(-p.amax(dim=-1).log() - logits.mul_(q).sum(dim=-1))
            gradients.append((scores, p.sub_(q)))
        total = torch.cat(values).sum()
    samples = sum(len(scores) for scores, _ in pairs)
    slope = 1 / (samples * temperature)  # on the sum, to spare a pass over the gradients
    return slope * with_gradient(total * temperature, gradients)


@torch.no_grad()
def teacher_probabilities_and_entropies(
    scores: Float[Tensor, "n p"], center: Float[Tensor, " p"], temperature: Float[Tensor, ""]
) -> tuple[Float[Tensor, "n p"], Float[Tensor, " n"]]:
    """softmax((scores − center)/temperature) and its entropy per sample, in nats."""
    logits = (scores - scores.amax(dim=-1, keepdim=True)).sub_(center).div_(temperature)
    q = logits.softmax(dim=-1)
    log_sum = logits.amax(dim=-1) - q.amax(dim=-1).log()
    return q, log_sum - logits.mul_(q).sum(dim=-1)
