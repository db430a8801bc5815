"""The decoder draws what a latent holds, and nothing of what a collapsed one does not hold."""

import torch

from jepa_compare.data import TwoRooms
from jepa_compare.evaluation.pictures.decoder import Decoder
from jepa_compare.metrics import COLLAPSED_SPREAD
from jepa_compare.rng import generator


def positions_and_pictures(source: TwoRooms) -> tuple[torch.Tensor, torch.Tensor]:
    state = 2 + 27 * torch.rand(3000, 2, generator=generator(0, "evaluation/test"))
    return state, source.picture(source.environment.render(state))[:, ::2, ::2]


def error_beside_an_empty_room(latents: torch.Tensor, pictures: torch.Tensor) -> float:
    """Squared error on frames that the decoder has not seen, relative to the mean picture's."""
    seen = slice(2800)
    drawn = Decoder(latents=latents[seen], pictures=pictures[seen])(latents[2800:])
    assert drawn.min() >= 0 and drawn.max() <= 1
    mean = pictures[seen].mean(dim=0)
    error = (drawn - pictures[2800:]).square().mean()
    return float(error / (mean - pictures[2800:]).square().mean())


def test_it_draws_what_the_latent_holds(source: TwoRooms) -> None:
    """From a smooth code of the position."""
    state, pictures = positions_and_pictures(source)
    angles = (state[:, :, None] * torch.tensor([0.1, 0.2, 0.4])).flatten(1)
    latents = torch.cat([angles.sin(), angles.cos()], dim=1)
    assert error_beside_an_empty_room(latents, pictures) < 0.1


def test_of_a_collapsed_encoder_it_draws_the_mean(source: TwoRooms) -> None:
    """The position is there, but a spread below the threshold of a collapse away from the mean."""
    state, pictures = positions_and_pictures(source)
    moved = (state - state.mean(dim=0)) / state.std()
    for spread, low, high in ((COLLAPSED_SPREAD / 10, 0.95, 1.05), (COLLAPSED_SPREAD * 20, 0, 0.5)):
        latents = torch.cat([torch.ones(3000, 1), spread * moved], dim=1)
        assert low < error_beside_an_empty_room(latents, pictures) < high


def test_latents_of_zeros_are_drawn_too() -> None:
    pictures = torch.rand(8, 10, 14, generator=generator(1, "evaluation/test"))
    drawn = Decoder(latents=torch.zeros(8, 4), pictures=pictures)(torch.zeros(2, 4))
    torch.testing.assert_close(drawn, pictures.mean(dim=0).expand(2, -1, -1))
