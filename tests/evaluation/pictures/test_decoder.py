"""The decoder learns to draw, touches nothing, and is the same twice."""

import torch

from jepa_compare.data import TwoRooms
from jepa_compare.evaluation.pictures.decoder import train_decoder
from jepa_compare.rng import generator


def test_it_draws_what_the_latent_holds(source: TwoRooms) -> None:
    """From a smooth code of the position, on frames that it was not trained on."""
    state = 2 + 27 * torch.rand(1200, 2, generator=generator(0, "evaluation/test"))
    pictures = source.picture(source.environment.render(state))[:, ::2, ::2]
    angles = (state[:, :, None] * torch.tensor([0.1, 0.2, 0.4, 0.8])).flatten(1)
    latents = torch.cat([angles.sin(), angles.cos()], dim=1).requires_grad_()
    decoder = train_decoder(latents[:1000], pictures[:1000], steps=200, seed=0)
    assert latents.grad is None
    drawn = decoder.pictures(latents.detach()[1000:])
    assert drawn.min() >= 0 and drawn.max() <= 1
    empty = pictures[:1000].median(dim=0).values  # the room without the agent
    error = (drawn - pictures[1000:]).square().mean()
    assert error < 0.5 * (empty - pictures[1000:]).square().mean()


def test_the_same_seed_gives_the_same_decoder_and_leaves_the_global_generator() -> None:
    latents = torch.randn(64, 8, generator=generator(0, "evaluation/test"))
    pictures = torch.rand(64, 10, 14, generator=generator(1, "evaluation/test"))
    state = torch.get_rng_state()
    first, second = (train_decoder(latents, pictures, steps=3, seed=0) for _ in range(2))
    assert torch.equal(first.pictures(latents), second.pictures(latents))
    assert first.pictures(latents).shape == (64, 10, 14)
    assert torch.equal(torch.get_rng_state(), state)
