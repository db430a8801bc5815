import pytest
import torch

from jepa_compare.data.rooms.geometry import cut, door_waypoint, profiles


@pytest.mark.parametrize(
    ("position", "goal", "waypoint"),
    [
        ([5.0, 25.0], [25.0, 8.0], [13.5, 15.5]),  # to the front of the door
        ([5.0, 12.0], [25.0, 8.0], [13.5, 15.5]),  # in line with the door, but with its edge
        ([5.0, 14.0], [25.0, 8.0], [17.5, 15.5]),  # in line: through it
        ([16.0, 14.0], [25.0, 8.0], [17.5, 15.5]),  # in it: go on
        ([17.0, 15.0], [25.0, 8.0], [25.0, 8.0]),  # through: to the goal
        ([5.0, 25.0], [3.0, 3.0], [3.0, 3.0]),  # in the goal's room already
        ([25.0, 8.0], [5.0, 25.0], [17.5, 15.5]),  # the other way
    ],
)
def test_the_way_through_the_door(position, goal, waypoint):
    got = door_waypoint(
        torch.tensor([position]),
        torch.tensor([goal]),
        wall_x=15.5,
        door_y=15.5,
        wall_half_width=1.0,
        door_half_height=3.5,
        clearance=1.0,
    )
    torch.testing.assert_close(got, torch.tensor([waypoint]))


def test_cut_keeps_the_direction_and_passes_zero():
    vectors = torch.tensor([[6.0, 8.0], [0.3, 0.4], [0.0, 0.0]])
    torch.testing.assert_close(
        cut(vectors, 5.0), torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    )


def test_profiles_are_one_at_the_position_and_gaussian_around_it():
    along_x, along_y = profiles(torch.tensor([[3.0, 5.5]]), 8, 2.0)
    assert along_x[0, 3] == 1 and along_x[0, 5] == pytest.approx(torch.tensor(-0.5).exp().item())
    assert along_y[0, 5] == along_y[0, 6] == pytest.approx(torch.tensor(-1 / 32).exp().item())
