"""What an auxiliary loss costs a run and does to it, beside its score: time, pull, clipping."""

import copy
import logging
import statistics
import time
from collections.abc import Iterable, Mapping

import torch

from jepa_compare.evaluation.world_model import evaluating
from jepa_compare.latents import Latents
from jepa_compare.losses import AuxLoss
from jepa_compare.rng import generator, seeded
from jepa_compare.training.compiling import autocast
from jepa_compare.training.gradients import AUX_GRADIENT, PREDICTION_GRADIENT
from jepa_compare.training.state import TrainingState

log = logging.getLogger(__name__)
_ROUNDS = 5


def aux_to_prediction_gradient(rows: Iterable[Mapping[str, float | None]]) -> float | None:
    """Median over the rows that have both of ‖∇ weighted auxiliary loss‖ / ‖∇ prediction loss‖.

    Both norms are over the encoder's weights. The median, because the prediction's gradient all
    but vanishes in single steps and in collapsed runs. None where no row has both.
    """
    ratios: list[float] = []
    for row in rows:
        prediction, aux = row.get(PREDICTION_GRADIENT), row.get(AUX_GRADIENT)
        if prediction and aux is not None:
            ratios.append(aux / prediction)
    return statistics.median(ratios) if ratios else None


def aux_seconds_per_step(state: TrainingState) -> float | None:
    """Median seconds of what the auxiliary loss adds to a training step, measured now.

    Its `prepare`, forward, backward to the latents and `on_step_end`, run eagerly on a copy with
    the latents of the first batch: nothing of the run moves, and it costs a few steps. The
    optimiser's work on the head's weights is not in it. None, with a warning, for a loss that
    cannot be copied.
    """
    settings, model, seed = state.config.training, state.objective.model, state.config.seed
    draws = generator(seed, "data", 0)
    source = state.batches.source
    batch = source.sample(draws, settings.batch_size, settings.frames, state.device)
    with evaluating(model), autocast(settings.precision, state.device):
        latents = model(batch.for_training())
    try:
        aux_loss = copy.deepcopy(state.objective.aux_loss)
        with seeded(seed, "cost"):  # for a loss that draws from the global generator
            times = [
                _seconds_of_a_step(aux_loss, latents, model.target == "shared", step)
                for step in range(_ROUNDS + 1)
            ]
    except Exception as error:  # somebody's own loss; what was trained is not lost for that
        log.warning("the auxiliary loss was not timed (%s: %s)", type(error).__name__, error)
        return None
    return statistics.median(times[1:])  # the first one warms up


def _seconds_of_a_step(aux_loss: AuxLoss, latents: Latents, shared: bool, step: int) -> float:
    z = {name: value.detach().clone() for name, value in vars(latents).items()}
    for name, value in z.items():
        value.requires_grad_(shared or name != "z_target")
    events = None
    if latents.z_pred.device.type == "cuda":
        events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
        events[0].record()
    started = time.perf_counter()
    aux_loss.prepare(step, 0.0, generator(0, "cost", step))
    output = aux_loss(Latents(**z))
    if output.loss.requires_grad:
        output.loss.backward()
    aux_loss.on_step_end(0.0)
    if events:
        events[1].record()
        events[1].synchronize()
        return events[0].elapsed_time(events[1]) / 1000  # milliseconds
    return time.perf_counter() - started
