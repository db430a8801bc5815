import torch

from jepa_compare.data.rooms.barriers import Barriers, Room, bounce_off, first_contact

ROOM = Room(low=4.0, high=60.0, wall_half_width=1.0, door_half_height=4.0)
LAYOUT = torch.tensor([[30.0, 20.0]])  # faces at 29 and 31, jambs at 16 and 24


def contact(start, move):
    barriers = Barriers.around(LAYOUT, ROOM)
    found = first_contact(torch.tensor([start]), torch.tensor([move]), barriers)
    return found.fraction.item(), found.line.item()


def bounced(start, move, noise=(0.0, 0.0)):
    landed = bounce_off(
        torch.tensor([start]), torch.tensor([move]), torch.tensor([noise]), LAYOUT, ROOM, 0.3
    )
    return landed[0]


def test_the_way_ends_at_the_first_barrier():
    assert contact([28.0, 40.0], [2.0, 0.0]) == (0.5, 1)  # left face
    assert contact([32.0, 40.0], [-4.0, 0.0]) == (0.25, 2)  # right face
    assert contact([5.0, 5.0], [-2.0, -4.0]) == (0.25, 4)  # the border below, before the left one
    assert contact([58.0, 40.0], [4.0, 0.0]) == (0.5, 3)
    assert contact([58.0, 58.0], [0.0, 8.0]) == (0.25, 7)
    assert contact([30.0, 23.0], [0.0, 2.0]) == (0.5, 6)  # upper jamb
    assert contact([30.0, 17.0], [0.0, -2.0]) == (0.5, 5)  # lower jamb


def test_the_way_is_free_in_a_room_and_through_the_door():
    for start, move in (
        ([10.0, 10.0], [1.8, -1.8]),
        ([28.0, 20.0], [5.0, 1.0]),
        ([32.0, 23.9], [-5.0, 0.0]),
        ([10.0, 23.0], [0.0, 5.0]),  # a jamb is no wall where the room is
        ([30.0, 20.0], [0.0, 0.0]),
    ):
        assert contact(start, move)[0] == float("inf")


def test_a_slanted_way_into_the_door_meets_the_jamb():
    fraction, line = contact([28.0, 22.0], [4.0, 4.0])
    assert (fraction, line) == (0.5, 6)


def test_a_stop_ends_at_the_intersection_a_clearance_off_the_wall():
    torch.testing.assert_close(bounced([28.0, 40.0], [2.0, 1.0]), torch.tensor([28.7, 40.5]))
    torch.testing.assert_close(bounced([32.0, 40.0], [-2.0, 1.0]), torch.tensor([31.3, 40.5]))
    torch.testing.assert_close(bounced([10.0, 5.0], [1.0, -2.0]), torch.tensor([10.5, 4.3]))
    torch.testing.assert_close(bounced([30.0, 23.0], [0.2, 2.0]), torch.tensor([30.1, 23.7]))


def test_a_bounce_goes_away_from_the_wall_whatever_its_sign():
    for sign in (-1, 1):
        landed = bounced([28.0, 40.0], [2.0, 0.0], (sign * 0.8, 0.4))
        torch.testing.assert_close(landed, torch.tensor([28.2, 40.4]))
        landed = bounced([30.0, 59.0], [0.0, 2.0], (0.4, sign * 0.8))
        torch.testing.assert_close(landed[1], torch.tensor(59.2))


def test_a_bounce_does_not_pass_another_wall():
    # In the corner of the border and the wall, thrown along the border.
    torch.testing.assert_close(
        bounced([28.0, 5.0], [0.0, -2.0], (5.0, 0.0)), torch.tensor([28.7, 4.3])
    )
    torch.testing.assert_close(
        bounced([30.0, 23.0], [0.0, 2.0], (0.0, 50.0)), torch.tensor([30.0, 16.3])
    )
