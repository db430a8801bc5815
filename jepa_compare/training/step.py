"""One training step, in the order in which it happens."""

from jaxtyping import Float
from torch import Tensor

from jepa_compare.latents import Batch
from jepa_compare.rng import generator, seed_global
from jepa_compare.training.compiling import autocast
from jepa_compare.training.gradients import clip, term_gradient_norms
from jepa_compare.training.objective import ObjectiveOutput
from jepa_compare.training.schedule import learning_rate
from jepa_compare.training.state import TrainingState


def training_step(
    state: TrainingState, batch: Batch, *, measure_gradients: bool
) -> dict[str, Float[Tensor, ""]]:
    """Update the weights once; `state.step` itself is counted by the loop.

    Returns the scalars of a row of metrics, still on the device: nothing here waits for it.
    """
    settings, seed, step = state.config.training, state.config.seed, state.step
    objective, optimizer = state.objective, state.optimizer

    # Schedules and random numbers, all functions of (seed, step).
    seed_global(seed, step, state.device)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, settings)
    objective.aux_loss.prepare(step, step / settings.steps, generator(seed, "aux_loss", step))

    # A graph that is differentiated once more, part by part, is not a compiled one.
    forward = objective if measure_gradients else state.forward
    with autocast(settings.precision, state.device):
        output: ObjectiveOutput = forward(batch)
    loss = output.total
    norms = term_gradient_norms(output, objective.model.encoder) if measure_gradients else {}

    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    gradient_norm, clipped = clip(state.clipped_together, settings.grad_clip)
    state.clipped_steps += clipped
    terms = {
        "train/prediction": output.prediction.detach(),
        **output.terms,
        "train/aux": output.aux.detach(),
        "train/loss": loss.detach(),
        "train/gradient_norm": gradient_norm,
    }
    state.finite.note(step, terms)
    optimizer.step()
    objective.on_step_end((step + 1) / settings.steps)
    return terms | norms
