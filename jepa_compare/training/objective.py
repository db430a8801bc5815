"""The whole training objective as one module: what autocast, compile and the gradient see."""

from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from jepa_compare.latents import Batch
from jepa_compare.losses import AuxLoss, AuxOutput, HelperTerms, NoAuxLoss
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


class WrongOutput(TypeError):
    """An auxiliary loss has returned what is no `AuxOutput` of scalars."""


def _wrong_output(aux: Any) -> str | None:
    """What `aux` is, where it is not what `AuxLoss.forward` is to return. Waits for no device."""
    if not isinstance(aux, AuxOutput):
        return _described(aux)
    loss, terms = cast("tuple[Any, Any]", aux)  # of a user's own: annotations prove nothing
    if not (isinstance(loss, Tensor) and loss.shape == () and loss.dtype == torch.float32):
        return f"loss={_described(loss)}"
    if not isinstance(terms, dict):
        return f"terms={_described(terms)}"
    for key, value in terms.items():
        if not isinstance(key, str):
            return f"terms with the key {key!r}"
        if not (isinstance(value, Tensor) and value.shape == ()):
            return f"terms[{key!r}]={_described(value)}"
        if value.requires_grad:
            return f"terms[{key!r}] with a gradient, not detached"
    return None


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)} and type {value.dtype}"
    if isinstance(value, dict):
        return f"a dict with the keys {', '.join(map(repr, value))}"
    return "None" if value is None else f"a {type(value).__name__}"


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
        if not torch.compiler.is_compiling():  # the first step of a run never is
            self._check(aux)
        helper, helper_terms = self.helpers(latents.z_context, batch.actions)
        terms = {f"aux/{key}": value for key, value in aux.terms.items()}
        terms |= {f"helper/{key}": value for key, value in helper_terms.items()}
        return ObjectiveOutput(prediction, self.weight * aux.loss, helper, terms)

    def _check(self, aux: Any) -> None:
        """Raise WrongOutput unless the auxiliary loss returned what its contract says."""
        wrong = _wrong_output(aux)
        free = isinstance(self.aux_loss, NoAuxLoss) or self.aux_loss.inert_terms(self.model.target)
        if not wrong and torch.is_grad_enabled() and not free and not aux.loss.requires_grad:
            wrong = "a loss without a gradient"
        if wrong:
            kind = type(self.aux_loss)
            raise WrongOutput(
                f"aux_loss {kind.__module__}.{kind.__qualname__}: forward returned {wrong}; it must"
                " return AuxOutput(loss=<float32 scalar with a gradient>, terms={<name>: <detached"
                " scalar tensor>}), see jepa_compare.losses.base"
            )

    def on_step_end(self, progress: float) -> None:
        """After the optimiser's step: what follows the weights follows now."""
        self.model.on_step_end(progress)
        self.aux_loss.on_step_end(progress)
