"""Rollout errors on a toy line whose numbers can be worked out by hand."""

import pytest
import torch

from jepa_compare.evaluation.measures.probe import Probe
from jepa_compare.evaluation.measures.rollout import rollout_errors

# z_t = (t, 0) for two trajectories; the prediction lags behind by half a step at every k.
LATENTS = torch.stack([torch.arange(4.0), torch.zeros(4)], dim=-1).expand(2, 4, 2)
PREDICTED = LATENTS[:, 1:] - torch.tensor([0.5, 0.0])
# A pixel is a tenth of a latent unit.
PROBE = Probe(weight=10 * torch.eye(2).double(), bias=torch.zeros(2).double())


def test_errors_are_counted_from_the_first_frame() -> None:
    errors = rollout_errors(LATENTS, PREDICTED, 10 * LATENTS, PROBE, [1, 3])
    assert set(errors) == {f"rollout_{kind}_{k}" for kind in ("relative", "rmse") for k in (1, 3)}
    assert errors["rollout_relative_1"] == pytest.approx(0.25 / 1)
    assert errors["rollout_relative_3"] == pytest.approx(0.25 / 9)
    assert errors["rollout_rmse_1"] == errors["rollout_rmse_3"] == pytest.approx(5)


def test_the_relative_error_is_a_ratio_of_means_not_a_mean_of_ratios() -> None:
    latents = torch.zeros(2, 2, 2)
    latents[0, 1, 0], latents[1, 1, 0] = 1.0, 3.0
    predicted = torch.zeros(2, 1, 2)
    predicted[1, 0, 0] = 3.0
    errors = rollout_errors(latents, predicted, latents, PROBE, [1])
    assert errors["rollout_relative_1"] == pytest.approx(1 / 10)
