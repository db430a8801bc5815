"""Frames of the random-wall source: dot and walls, as bytes, normalised as published.

Facts read from github.com/facebookresearch/eb_jepa at 966e61e,
`eb_jepa/datasets/two_rooms/{dot_dataset,wall_dataset,normalizer}.py`.

Shape legend: b trajectories, t frames, c = 2 channels (dot, walls), h w pixels, indexed [y, x].
"""

import contextlib
import math
import mmap

import torch
from jaxtyping import Float
from torch import Tensor

from jepa_compare.data.rooms.barriers import Room
from jepa_compare.data.rooms.geometry import profiles

# Of (dot, walls), after the min-max of each frame.
_MEAN = (0.0026, 0.0989)
_STD = (0.0369, 0.2986)
_EPS = 1e-6
_HUGE_PAGE = 2**21  # bytes


def frames_of(
    position: Float[Tensor, "b t 2"],
    layout: Float[Tensor, "b 2"],
    room: Room,
    size: int,
    blob_std: float,
) -> Float[Tensor, "b t c h w"]:
    """Frames of trajectories, each with one wall. Written in place: they are a batch's bulk.

    The blob is rounded down to bytes, divided by the brightest byte of its frame (the least is 0)
    and brought to the published mean and std; so are the walls. Beyond a few pixels a blob's
    bytes are 0, so only a patch around the dot is computed.
    """
    frames = _fresh(position, (*position.shape[:2], 2, size, size))
    frames[:, :, 0] = -_MEAN[0] / (_STD[0] + _EPS)
    walls = (wall_image(layout, room, size) - _MEAN[1]) / (_STD[1] + _EPS)
    frames[:, :, 1] = walls[:, None]

    reach = math.ceil(blob_std * math.sqrt(2 * math.log(255)))
    width = min(2 * reach, size)
    corner = (position.floor() - (reach - 1)).clamp(0, size - width)  # of the patch: x, y
    along_x, along_y = profiles(position - corner, width, blob_std)
    patch = (255 * along_y[..., :, None] * along_x[..., None, :]).floor()  # [b t width width]
    patch = patch / (patch.amax((-2, -1), keepdim=True) + _EPS)
    x, y = (corner.long()[..., None] + torch.arange(width, device=position.device)).unbind(-2)
    pixel = y[..., :, None] * size + x[..., None, :]
    frames.flatten(2).scatter_(
        2, pixel.flatten(2), ((patch - _MEAN[0]) / (_STD[0] + _EPS)).flatten(2)
    )
    return frames


def _fresh(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """An uninitialised tensor of `like`'s kind, on a Linux CPU in huge pages.

    A batch is hundreds of MB of fresh memory there; in pages of 4 kB the system takes longer to
    hand it out than we take to fill it.
    """
    size = math.prod(shape) * like.element_size()
    if like.device.type != "cpu" or size < _HUGE_PAGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return like.new_empty(shape)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel without huge pages
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=like.dtype).view(shape)


def wall_image(layout: Float[Tensor, "b 2"], room: Room, size: int) -> Float[Tensor, "b h w"]:
    """1 where there is wall, 0 elsewhere. Border lines run from edge to edge, as published."""
    pixel = torch.arange(size, device=layout.device)
    wall_x, door_y = layout[:, :1], layout[:, 1:]
    across = (pixel - wall_x).abs() <= room.wall_half_width  # [b w]
    beside_door = (pixel - door_y).abs() > room.door_half_height  # [b h]
    border = (pixel == room.low) | (pixel == room.high)
    wall = (beside_door[:, :, None] & across[:, None, :]) | border | border[:, None]
    return wall.to(layout.dtype)


def without_statistics(frames: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Frames in [0, 1], before mean and std were applied."""
    channels = [
        frames[:, c] * (std + _EPS) + mean
        for c, (mean, std) in enumerate(zip(_MEAN, _STD, strict=True))
    ]
    return torch.stack(channels, dim=1).clamp(0, 1)
