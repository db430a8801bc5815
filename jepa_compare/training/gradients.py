"""Gradients of a step: the norm of each term's at the encoder, and clipping."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from jepa_compare.training.objective import Objective, ObjectiveOutput

PREDICTION_GRADIENT, AUX_GRADIENT = "train/gradient_prediction", "train/gradient_aux"
"""Keys of the norms at the encoder."""


def term_gradient_norms(
    output: ObjectiveOutput, encoder: nn.Module
) -> dict[str, Float[Tensor, ""]]:
    """Norms over the encoder's weights of the gradients of prediction and weighted aux loss."""
    weights = [p for p in encoder.parameters() if p.requires_grad]
    norms = {}
    for key, part in ((PREDICTION_GRADIENT, output.prediction), (AUX_GRADIENT, output.aux)):
        if part.requires_grad:
            grads = torch.autograd.grad(part, weights, retain_graph=True, allow_unused=True)
            norm = nn.utils.get_total_norm([g for g in grads if g is not None])
            norms[key] = norm.to(part.device)
    return norms


def clip_groups(objective: Objective, scope: str) -> list[list[nn.Parameter]]:
    """The parameters that share one gradient norm; each parameter is in one group.

    `scope` is `training.grad_clip_scope`: all, or one group each for encoder, predictor and rest.
    """
    modules = [objective.model.encoder, objective.model.predictor, objective]
    seen: set[nn.Parameter] = set()
    groups = []
    for module in modules if scope == "module" else [objective]:
        groups.append([p for p in module.parameters() if p.requires_grad and p not in seen])
        seen.update(groups[-1])
    return groups


def clip(
    groups: list[list[nn.Parameter]], largest: float
) -> tuple[Float[Tensor, ""], Bool[Tensor, ""]]:
    """Clip the gradient of each group to the norm `largest`, in place; returns the norm over all
    parameters before clipping, and whether any group was cut."""
    norms = torch.stack(
        [
            nn.utils.clip_grad_norm_(with_gradient, largest)
            for group in groups
            if (with_gradient := [p for p in group if p.grad is not None])
        ]
    )
    return torch.linalg.vector_norm(norms), (norms > largest).any()
