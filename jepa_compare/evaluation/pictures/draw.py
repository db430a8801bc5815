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
from jepa_compare.evaluation.pictures.decoder import Decoder
from jepa_compare.evaluation.pictures.rollouts import draw_rollouts
from jepa_compare.evaluation.world_model import WorldModel, evaluating
from jepa_compare.latents import Batch
from jepa_compare.system.progress import note


def draw_figures(
    evaluator: Evaluator, model: WorldModel, evaluation: Evaluation, directory: Path
) -> None:
    """Write rollouts.png and planning.gif into `directory`, if the observations are frames.

    Planning is left out if nothing was planned, the rollouts if the latents are not finite. All
    episodes and the spectrum are in the evaluation, and a comparison draws them from there.
    """
    if len(evaluator.source.obs_shape) != 3:
        return
    *_, height, width = evaluator.source.obs_shape
    count = evaluator.settings.figures.gif_episodes
    path = directory / "planning.gif"
    note("figures", 1, 2, "planning")
    animate_planning(evaluation.episodes, (width, height), count, path)
    if np.isfinite(evaluation.spectrum).all():
        note("figures", 2, 2, "rollouts")
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
    decoder = Decoder(latents=latents, pictures=_pictures(source, fit).flatten(0, 1))
    rows = slice(settings.figures.rollouts)
    with evaluating(model):
        first = encode_batch(model, shown.obs[rows, :1])
        actions = None if shown.actions is None else shown.actions[rows]
        predicted = model.rollout(first[:, 0], actions, settings.frames - 1)
        z = torch.cat([first, predicted], dim=1)  # [r t d]
    imagined = decoder(z.flatten(0, 1)).unflatten(0, z.shape[:2])
    true = _pictures(source, shown)[rows]
    return true.cpu().numpy(), imagined.cpu().numpy()


def _pictures(source: Source, batch: Batch) -> Float[Tensor, "r t h w"]:
    return source.picture(batch.obs.flatten(0, 1)).unflatten(0, batch.obs.shape[:2])
