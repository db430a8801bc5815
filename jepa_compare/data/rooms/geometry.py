"""What the two-rooms environments share: copies without a sync, blobs, waypoints, distances.

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


def walking_distance(
    position: Float[Tensor, "n 2"],
    goal: Float[Tensor, "n 2"],
    *,
    wall_x: Float[Tensor, " n"] | float,
    door_y: Float[Tensor, " n"] | float,
    wall_half_width: float,
    door_half_height: float,
) -> Float[Tensor, " n"]:
    """Length of the shortest way from `position` to `goal` that does not cross the wall; exact.

    A way through the door meets its two faces at heights y1 and y2, and is straight in between.
    Its length is convex in both, so the shortest is the straight line, if that passes the door, or
    has y1 or y2 at a corner of the door, the other being where the straight rest passes, or the
    nearest corner.
    """
    side = torch.where(goal[:, 0] > wall_x, 1.0, -1.0)
    start_x, goal_x = (position[:, 0] - wall_x) * side, (goal[:, 0] - wall_x) * side
    start_y, goal_y = position[:, 1] - door_y, goal[:, 1] - door_y  # the wall's centre is at 0, 0
    # Whoever stands in the door meets no face behind.
    x1, x2 = start_x.clamp(min=-wall_half_width), goal_x.clamp(max=wall_half_width)
    low, high = -door_half_height, door_half_height

    def length(y1: Tensor, y2: Tensor) -> Tensor:
        legs = ((x1 - start_x, y1 - start_y), (x2 - x1, y2 - y1), (goal_x - x2, goal_y - y2))
        return sum((torch.hypot(dx, dy) for dx, dy in legs), torch.zeros_like(x1))

    slope = (goal_y - start_y) / (goal_x - start_x)
    y1, y2 = start_y + slope * (x1 - start_x), start_y + slope * (x2 - start_x)
    straight = torch.hypot(goal_x - start_x, goal_y - start_y)
    inside = (y1 >= low) & (y1 <= high) & (y2 >= low) & (y2 <= high)
    around = torch.full_like(straight, torch.inf)
    for corner in (low, high):
        y = torch.full_like(straight, corner)
        onward = corner + (goal_y - corner) * (x2 - x1) / (goal_x - x1)
        back = start_y + (corner - start_y) * (x1 - start_x) / (x2 - start_x)
        around = torch.minimum(around, length(y, onward.clamp(low, high)))
        around = torch.minimum(around, length(back.clamp(low, high), y))
    return torch.where(inside | (start_x >= x2), straight, around)
