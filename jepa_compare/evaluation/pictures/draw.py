"""All pictures of a run, from its model and its evaluation.

Shape legend: n frames, r trajectories, t frames each, d latent dimensions, h w pixels.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.data.base import Source
from jepa_compare.evaluation.evaluator import Evaluation, Evaluator
from jepa_compare.evaluation.held_out import encode_batch
from jepa_compare.evaluation.pictures.animation import animate_planning
from jepa_compare.evaluation.pictures.decoder import train_decoder
from jepa_compare.evaluation.pictures.figures import draw_planning, draw_rollouts, draw_spectrum
from jepa_compare.evaluation.world_model import WorldModel, evaluating
from jepa_compare.latents import Batch
from jepa_compare.system.progress import note


def draw_figures(
    evaluator: Evaluator, model: WorldModel, evaluation: Evaluation, directory: Path
) -> None:
    """Write rollouts.png, planning.png, planning.gif and spectrum.png into `directory`.

    Planning is left out if nothing was planned, the spectrum and the rollouts if the latents are
    not finite, and what shows frames if the observations are none.
    """
    settings = evaluator.settings.figures
    frames = len(evaluator.source.obs_shape) == 3
    if frames and any(evaluation.episodes.values()):
        *_, height, width = evaluator.source.obs_shape
        episodes = evaluation.episodes
        note("figures", 1, 3, "planning")
        draw_planning(episodes, (width, height), directory / "planning.png")
        count = settings.gif_episodes
        animate_planning(episodes, (width, height), count, directory / "planning.gif")
    if np.isfinite(evaluation.spectrum).all():
        note("figures", 2, 3, "spectrum")
        if evaluation.spectrum:
            draw_spectrum(evaluation.spectrum, evaluation.metrics, directory / "spectrum.png")
        if frames:
            note("figures", 3, 3, "rollouts")
            true, imagined = _imagine(evaluator, model)
            draw_rollouts(true, imagined, directory / "rollouts.png")


def _imagine(
    evaluator: Evaluator, model: WorldModel
) -> tuple[Float[np.ndarray, "r t h w"], Float[np.ndarray, "r t h w"]]:
    """Pictures of held-out trajectories, and of the latents rolled out from their first frames."""
    settings, source = evaluator.settings, evaluator.source
    fit, shown = evaluator.held_out.fit, evaluator.held_out.sets[0]
    with evaluating(model):
        latents = encode_batch(model, fit.obs).flatten(0, 1)
    decoder = train_decoder(
        latents,
        _pictures(source, fit).flatten(0, 1),
        steps=settings.figures.decoder_steps,
        seed=settings.seed,
    )
    rows = slice(settings.figures.rollouts)
    with evaluating(model):
        first = encode_batch(model, shown.obs[rows, :1])
        actions = None if shown.actions is None else shown.actions[rows]
        predicted = model.rollout(first[:, 0], actions, settings.frames - 1)
        z = torch.cat([first, predicted], dim=1)  # [r t d]
    imagined = decoder.pictures(z.flatten(0, 1).float()).unflatten(0, z.shape[:2])
    true = _pictures(source, shown)[rows]
    return true.cpu().numpy(), imagined.cpu().numpy()


def _pictures(source: Source, batch: Batch) -> Float[Tensor, "r t h w"]:
    return source.picture(batch.obs.flatten(0, 1)).unflatten(0, batch.obs.shape[:2])
