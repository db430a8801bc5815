"""The whole training objective as one module: what autocast, compile and the gradient see."""

from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from jepa_compare.latents import Batch
from jepa_compare.losses import AuxLoss, HelperTerms
from jepa_compare.models.jepa import JEPA


class ObjectiveOutput(NamedTuple):
    """The parts of the objective, each with its gradient, and the numbers to be logged."""

    prediction: Float[Tensor, ""]
    """Mean squared error of the latents over the whole rollout."""
    aux: Float[Tensor, ""]
    """The auxiliary loss times its weight."""
    helper: Float[Tensor, ""]
    """The weighted sum of the helper terms."""
    terms: dict[str, Float[Tensor, ""]]
    """Detached: `aux/<key>` in the authors' units and `helper/<key>`, unweighted."""

    @property
    def total(self) -> Float[Tensor, ""]:
        """What is minimised."""
        return self.prediction + self.aux + self.helper


class Objective(nn.Module):
    """prediction + weight × auxiliary loss + helper terms."""

    def __init__(
        self, *, model: JEPA, aux_loss: AuxLoss, weight: float, helpers: HelperTerms
    ) -> None:
        super().__init__()
        self.model = model
        self.aux_loss = aux_loss
        self.weight = weight
        self.helpers = helpers

    def forward(self, batch: Batch) -> ObjectiveOutput:
        latents = self.model(batch)
        prediction = F.mse_loss(latents.z_pred.float(), latents.z_target.float())
        aux = self.aux_loss(latents)
        helper, helper_terms = self.helpers(latents.z_context, batch.actions)
        terms = {f"aux/{key}": value for key, value in aux.terms.items()}
        terms |= {f"helper/{key}": value for key, value in helper_terms.items()}
        return ObjectiveOutput(prediction, self.weight * aux.loss, helper, terms)

    def on_step_end(self, progress: float) -> None:
        """After the optimiser's step: what follows the weights follows now."""
        self.model.on_step_end()
        self.aux_loss.on_step_end(progress)
