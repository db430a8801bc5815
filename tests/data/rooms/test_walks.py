import math

import pytest
import torch

from jepa_compare import rng
from jepa_compare.data.rooms.barriers import Room
from jepa_compare.data.rooms.walks import draw_walks

ROOM = Room(low=4.0, high=60.0, wall_half_width=1.0, door_half_height=4.0)
B = 4000


def walks(door_fraction, steps=90):
    layout = torch.tensor([[32.0, 30.0]]).expand(B, 2)
    start, actions = draw_walks(
        rng.generator(0, "data"), layout, ROOM, steps=steps, door_fraction=door_fraction
    )
    return start, actions, start[:, None] + actions.cumsum(1)


def test_steps_and_turns_have_the_published_laws():
    _, actions, _ = walks(0.35)
    norm = actions.norm(dim=-1)
    assert norm.min() >= 0.2 and norm.max() <= 1.8
    assert norm.mean() == pytest.approx(1.0, abs=2e-3)
    assert norm.std() == pytest.approx(0.4 * math.sqrt(0.774), abs=2e-3)  # cut at 2 std
    heading = torch.atan2(actions[..., 1], actions[..., 0])
    # E cos = I1(5) / I0(5) for von Mises turns with concentration 5.
    assert heading.diff(dim=1).cos().mean() == pytest.approx(0.8934, abs=2e-3)


def test_walks_laid_through_the_door_are_in_it_at_some_step():
    # Before walls are felt; the few whose start is moved into a room miss it.
    def share_in_door(door_fraction):
        _, _, free = walks(door_fraction, steps=16)
        in_door = (free - torch.tensor([32.0, 30.0])).abs() <= torch.tensor([1.0, 4.0])
        return in_door.all(-1).any(-1).float().mean()

    assert share_in_door(1.0) > 0.95
    assert share_in_door(0.0) < 0.1


def test_walks_go_both_ways():
    start, _, _ = walks(1.0, steps=16)
    assert (start[:, 0] < 32).float().mean() == pytest.approx(0.5, abs=0.03)


def test_no_walk_starts_in_the_wall_or_on_a_border():
    for fraction in (0.0, 1.0):
        start, _, _ = walks(fraction)
        assert start.min() > 4 and start.max() < 60
        in_wall = ((start[:, 0] - 32).abs() <= 1) & ((start[:, 1] - 30).abs() >= 4)
        assert not in_wall.any()
