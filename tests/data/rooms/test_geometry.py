import pytest
import torch

from jepa_compare.data.rooms.geometry import cut, door_waypoint, profiles, walking_distance


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


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_shortest_way_is_that_of_a_search(mirrored: bool) -> None:
    """Against all pairs of heights at the two faces of the wall, on a fine grid."""
    x, door, half, reach = 15.0, 12.0, 1.0, 3.5
    draw = torch.Generator().manual_seed(0)
    u = torch.rand(60, 4, generator=draw, dtype=torch.float64)
    start = torch.stack([2 + u[:, 0] * (x - half - 2), 2 + u[:, 1] * 26], dim=-1)
    goal = torch.stack([x + half + u[:, 2] * 12, 2 + u[:, 3] * 26], dim=-1)
    start[:10, 0] = x - half + u[:10, 0] * 2 * half  # who stands in the door
    start[:10, 1] = door - reach + u[:10, 1] * 2 * reach
    heights = torch.linspace(door - reach, door + reach, 281, dtype=torch.float64)
    first, second = torch.meshgrid(heights, heights, indexing="ij")
    shortest = torch.full((60,), torch.inf, dtype=torch.float64)
    for k, (a, b) in enumerate(zip(start.tolist(), goal.tolist(), strict=True)):
        left = max(x - half, a[0])
        ways = torch.hypot(left - a[0] + 0 * first, first - a[1])
        ways = ways + torch.hypot(x + half - left + 0 * first, second - first)
        shortest[k] = (ways + torch.hypot(b[0] - x - half + 0 * first, b[1] - second)).min()
    if mirrored:
        start, goal = goal, start
    got = walking_distance(
        start, goal, wall_x=x, door_y=door, wall_half_width=half, door_half_height=reach
    )
    assert (got > (start - goal).norm(dim=-1) + 0.1).sum() > 20  # ways around a corner
    # The grid's steps are .025 px, so that a search misses the best by less than half of that.
    assert (got <= shortest + 1e-9).all() and (shortest - got < 0.0125).all()


def test_in_one_room_the_shortest_way_is_straight() -> None:
    start, goal = torch.tensor([[3.0, 4.0], [28.0, 20.0]]), torch.tensor([[6.0, 8.0], [20.0, 14.0]])
    got = walking_distance(
        start, goal, wall_x=15.0, door_y=12.0, wall_half_width=1.0, door_half_height=3.5
    )
    assert got.tolist() == [5.0, 10.0]
