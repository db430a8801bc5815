"""The encoder in pieces of frames: the same latents, and only where a latent is a frame's own."""

import pytest
import torch
from torch import Tensor, nn

from jepa_compare.models import pieces
from jepa_compare.models.encoders import ConvEncoder, Encoder, ImpalaEncoder
from jepa_compare.models.pieces import encode_in_pieces

SHAPE = (2, 16, 16)
FRAMES = torch.rand(23, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


class WithBatchNorm(ConvEncoder):
    """A user's own, which has changed a layer of a shipped encoder and nothing else."""

    def __init__(self) -> None:
        super().__init__(obs_shape=SHAPE, dim=8, channels=[8, 8], groups=8)
        self.body[1] = nn.BatchNorm2d(8)


class Users(Encoder):
    """A user's own, which says nothing of pieces."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.Identity()

    def forward(self, obs: Tensor) -> Tensor:
        return obs.flatten(1) - obs.flatten(1).mean(0)


def shipped() -> list[Encoder]:
    torch.manual_seed(0)
    return [
        ConvEncoder(obs_shape=SHAPE, dim=8, channels=[8, 16], groups=8).double(),
        ImpalaEncoder(obs_shape=SHAPE, dim=8, channels=[4, 8]).double(),
    ]


def sizes_of_calls(encoder: Encoder, obs: Tensor) -> tuple[list[int], Tensor]:
    """How many frames each call of the encoder got, and the latents."""
    sizes: list[int] = []
    handle = encoder.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    latents = encode_in_pieces(encoder, obs)
    handle.remove()
    return sizes, latents


@pytest.fixture(autouse=True)
def five_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_NUMBERS", 5 * FRAMES[0].numel())


@pytest.mark.parametrize("encoder", shipped(), ids=["conv", "impala"])
def test_pieces_make_the_latents_and_gradients_of_the_whole(encoder: Encoder) -> None:
    sizes, latents = sizes_of_calls(encoder, FRAMES)
    assert sizes == [5, 5, 5, 5, 3]
    whole = encoder(FRAMES)
    torch.testing.assert_close(latents, whole, rtol=1e-12, atol=1e-12)
    weights = list(encoder.body.parameters())  # pyright: ignore
    in_pieces = torch.autograd.grad(latents.square().mul(whole.detach() + 1).sum(), weights)
    at_once = torch.autograd.grad(whole.square().mul(whole.detach() + 1).sum(), weights)
    for mine, theirs in zip(in_pieces, at_once, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("encoder", [WithBatchNorm().double(), Users()], ids=["batch norm", "own"])
def test_whoever_looks_at_the_whole_batch_gets_it_whole(encoder: Encoder) -> None:
    assert sizes_of_calls(encoder, FRAMES)[0] == [23]


@pytest.mark.parametrize("obs", [FRAMES[:5], FRAMES[:0]], ids=["what fits", "nothing"])
def test_a_batch_that_fits_is_one_piece(obs: Tensor) -> None:
    assert sizes_of_calls(shipped()[0], obs)[0] == [len(obs)]


def test_a_compiled_program_has_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert sizes_of_calls(shipped()[0], FRAMES)[0] == [23]
