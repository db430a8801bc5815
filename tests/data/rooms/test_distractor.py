import torch

from jepa_compare import rng
from jepa_compare.data.rooms import distractor
from tests.support.sources import build, simulated

CPU = torch.device("cpu")


def test_the_edge_reflects():
    dots = torch.tensor([[[28.0, 10.0, 2.0, -1.0], [3.0, 3.0, -2.0, -2.0]]])
    moved = distractor.advance(dots, 2.0, 29.0)
    expected = torch.tensor([[[28.0, 9.0, -2.0, -1.0], [3.0, 3.0, 2.0, 2.0]]])
    torch.testing.assert_close(moved, expected)


def test_distractors_keep_their_speed_and_their_room_and_do_not_touch_the_agent():
    source = build("two_rooms", distractors=3)
    state, actions = simulated(source, rng.generator(0, "data"), 200, 60)
    dots = state[..., 2:].unflatten(-1, (3, 4))
    assert dots[..., :2].min() >= 2 and dots[..., :2].max() <= 29
    torch.testing.assert_close(
        dots[..., 2:].norm(dim=-1), torch.full((200, 60, 3), 1.5), rtol=0, atol=1e-4
    )
    plain = build("two_rooms")
    alone = state[:, 0, :2]
    for t in range(59):
        alone = plain.environment.step(alone, actions[:, t])
        assert torch.equal(alone, state[:, t + 1, :2])


def test_a_distractor_is_a_dimmer_dot_in_the_frame():
    source = build("two_rooms_distractor")
    frame = source.environment.render(torch.tensor([[8.0, 20.0, 25.0, 6.0, 0.0, 0.0]]))[0, 0]
    assert frame[20, 8] == 1
    torch.testing.assert_close(frame[6, 25], torch.tensor(0.6))


def test_a_task_starts_and_ends_with_distractors_of_its_own():
    source = build("two_rooms_distractor")
    tasks = source.task_suite.sample(rng.generator(0, "evaluation"), "detour", 50, CPU)
    assert (tasks.start[:, 2:4] != tasks.goal[:, 2:4]).all()
