"""What the two-rooms environments share: copies without a sync, blobs, waypoints.

Shape legend: n points, a action dimensions, h w pixels.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A copy on `device` of what was drawn on the CPU. The host does not wait for it."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def cut(action: Float[Tensor, "*n a"], max_norm: float) -> Float[Tensor, "*n a"]:
    """`action`, shortened to `max_norm` where it is longer."""
    norm = action.square().sum(-1, keepdim=True).sqrt()
    return action * (max_norm / norm.clamp(min=max_norm))


def profiles(
    position: Float[Tensor, "*n 2"], size: int, std: float
) -> tuple[Float[Tensor, "*n w"], Float[Tensor, "*n h"]]:
    """Gaussians along x and y, 1 at the position. Their outer product is the blob."""
    pixel = torch.arange(size, device=position.device, dtype=position.dtype)
    profile = torch.exp((pixel - position[..., None]).square() * (-0.5 / std**2))  # [*n 2 size]
    return profile[..., 0, :], profile[..., 1, :]


def door_waypoint(
    position: Float[Tensor, "n 2"],
    goal: Float[Tensor, "n 2"],
    *,
    wall_x: Float[Tensor, " n"] | float,
    door_y: Float[Tensor, " n"] | float,
    wall_half_width: float,
    door_half_height: float,
    clearance: float,
) -> Float[Tensor, "n 2"]:
    """Where to walk next, straight, so as to reach `goal` without touching the wall.

    The point in front of the door on this side, then the one behind it, then the goal. Both are
    `clearance` px off the wall.
    """
    side = torch.where(goal[:, 0] > wall_x, 1.0, -1.0)
    past_wall = (position[:, 0] - wall_x) * side  # > 0 on the goal's side
    at_door = (position[:, 1] - door_y).abs() < 0.75 * door_half_height
    offset = wall_half_width + clearance
    waypoint_x = wall_x + side * torch.where(at_door, offset, -offset)
    waypoint = torch.stack([waypoint_x, torch.zeros_like(waypoint_x) + door_y], dim=-1)
    return torch.where((past_wall > wall_half_width)[:, None], goal, waypoint)
