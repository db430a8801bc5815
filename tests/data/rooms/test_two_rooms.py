import pytest
import torch

from jepa_compare import rng
from jepa_compare.data.environment import Criterion
from tests.support.sources import build, simulated, walked

CPU = torch.device("cpu")
CENTER = 15.5


def in_wall(position):
    x, y = (position - CENTER).unbind(-1)
    return (x.abs() < 1) & (y.abs() > 3.5)


def walk(source, start, action, steps):
    """Positions under one action repeated, from one start."""
    state = torch.tensor([start])
    goal = state
    return walked(source, lambda *_: torch.tensor([action]), state, goal, steps)[0]


@pytest.fixture(scope="module")
def source():
    return build("two_rooms")


def test_the_default_is_the_published_task_of_this_project(source):
    assert source.obs_shape == (1, 32, 32)
    assert (source.action_dim, source.environment.max_action_norm) == (2, 3.0)
    assert source.task_suite.steps == 24


def test_a_frame_is_the_brighter_of_agent_and_half_bright_wall(source):
    frame = source.environment.render(torch.tensor([[8.0, 20.0]]))[0, 0]
    assert frame[20, 8] == 1  # [y, x]
    assert frame[20, 9] == pytest.approx(torch.tensor(-0.5 / 1.3**2).exp().item())
    assert (frame[:12, 15:17] == 0.5).all() and (frame[20:, 15:17] == 0.5).all()
    assert frame[12:20, 15:17].max() < 0.01  # the door
    assert frame[:, 14].max() < 0.01 and frame[:, 17].max() < 0.01
    assert (
        source.environment.render(torch.tensor([[15.0, 5.0]]))[0, 0][5, 15] == 1
    )  # over the wall's half


def test_no_trajectory_enters_the_wall_or_leaves_the_free_area(source):
    position = source.sample(rng.generator(0, "data"), 2000, 16, CPU).labels["position"]
    assert not in_wall(position).any()
    assert position.min() >= 2 and position.max() <= 29
    assert (position == 2).any() and (position == 29).any()


def test_a_push_against_the_wall_slides_along_it(source):
    path = walk(source, [13.0, 6.0], [2.0, 1.0], 5)
    assert 14 <= path[-1, 0] <= 14.5
    torch.testing.assert_close(path[:, 1], 6 + torch.arange(6.0))


def test_the_door_lets_through_and_its_jambs_do_not(source):
    assert walk(source, [13.0, 15.5], [2.0, 0.0], 3)[-1, 0] == 19
    sideways = walk(source, [15.5, 15.5], [0.0, 2.0], 5)
    assert (sideways[:, 0] == 15.5).all() and sideways[-1, 1] <= 19


def test_long_actions_are_cut_and_short_ones_are_not(source):
    state = torch.tensor([[5.0, 5.0]]).expand(2, 2)
    action = torch.tensor([[6.0, 8.0], [0.3, 0.4]])
    torch.testing.assert_close(
        source.environment.step(state, action), torch.tensor([[6.8, 7.4], [5.3, 5.4]])
    )


def test_the_behaviour_policy_makes_its_own_states(source):
    states, actions = simulated(source, rng.generator(0, "data"), 50, 8)
    state = states[:, 0]
    for t in range(7):
        state = source.environment.step(state, actions[:, t])
        assert torch.equal(state, states[:, t + 1])


def test_the_behaviour_law(source):
    batch = source.sample(rng.generator(0, "data"), 20_000, 8, CPU)
    norm = batch.actions.norm(dim=-1)
    assert norm.max() <= 3 and norm.mean() == pytest.approx(2, abs=0.02)  # of 3·√U
    heading = torch.atan2(batch.actions[..., 1], batch.actions[..., 0])
    turn = torch.remainder(heading.diff(dim=1) + torch.pi, 2 * torch.pi) - torch.pi
    assert turn.std() == pytest.approx(0.5, abs=0.01)
    start = (batch.labels["position"][:, 0] - CENTER).abs()
    near_door = (start[:, 0] >= 1.5) & (start[:, 0] <= 7.5) & (start[:, 1] <= 3.5)
    uniform_share = (6 / 12.5) * (7 / 27)
    assert near_door.float().mean() == pytest.approx(0.25 + 0.75 * uniform_share, abs=0.02)
    right = batch.labels["position"][..., 0] > CENTER
    crossed = right[:, 0] != right[:, -1]
    assert crossed.float().mean() == pytest.approx(0.24, abs=0.015)


def test_task_kinds(source):
    generator = rng.generator(0, "evaluation")
    for kind, same_room in (("same", True), ("door", False), ("detour", False)):
        tasks = source.task_suite.sample(generator, kind, 500, CPU)
        start, goal = tasks.start, tasks.goal
        assert (((start[:, 0] > CENTER) == (goal[:, 0] > CENTER)) == same_room).all()
        assert not in_wall(start).any() and not in_wall(goal).any()
        if kind == "same":
            assert (start - goal).norm(dim=-1).min() >= 8


def test_floors(source):
    # Measured in the prototype: straight line 1.00 same-room, .62 door; random .16 and .05.
    generator, suite = rng.generator(0, "evaluation"), source.task_suite
    expected = {"same": (1.0, 0.16), "door": (0.62, 0.05), "detour": (0.0, 0.03)}
    for kind, (line_rate, random_rate) in expected.items():
        tasks = suite.sample(generator, kind, 2000, CPU)
        for name, rate, tolerance in (
            ("straight_line", line_rate, 0.03 if kind == "door" else 0.0),
            ("random", random_rate, 0.03),
        ):
            policy = suite.policy(name, generator)
            path = walked(source, policy, tasks.start, tasks.goal, suite.steps, generator)
            success = [suite.reached(at, tasks.goal, "ever") for at in path.unbind(1)]
            share = torch.stack(success).any(0).float().mean()
            assert share == pytest.approx(rate, abs=tolerance)


def test_a_task_is_solved_within_the_radius_at_any_time(source):
    assert source.task_suite.criteria == (Criterion(name="ever", when="ever"),)
    state = torch.tensor([[12.5, 5.0], [12.51, 5.0]])
    goal = torch.tensor([[10.0, 5.0], [10.0, 5.0]])
    assert source.task_suite.reached(state, goal, "ever").tolist() == [True, False]


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("size", 8, "at least 24"),
        ("margin", -1.0, "between 0 and"),
        ("blob_std", 0.0, "above 0"),
        ("wall_half_width", 9.0, "at most"),
        ("door_half_height", 14.0, "at most"),
        ("max_action_norm", 0.0, "above 0"),
        ("substeps", 1, "at least 2, or the dot jumps the wall"),
        ("turn_std", -0.1, "at least 0"),
        ("door_fraction", 1.5, "between 0 and 1"),
        ("min_same_distance", -1.0, "at least 0"),
        ("success_radius", 0.0, "above 0"),
        ("episode_steps", 0, "at least 1"),
        ("distractors", -1, "at least 0"),
        ("distractor_speed", 99.0, "between 0 and"),
        ("distractor_brightness", 2.0, "between 0 and 1"),
    ],
)
def test_arguments_out_of_range_are_named(name, value, allowed):
    with pytest.raises(ValueError, match=f"{name}={value}: must be .*{allowed}"):
        build("two_rooms", **{name: value})


def test_tasks_that_do_not_exist_end_in_an_error_not_in_a_loop():
    source = build("two_rooms", min_same_distance=1000.0)
    with pytest.raises(ValueError, match="only 0 of 5 same tasks"):
        source.task_suite.sample(rng.generator(0, "evaluation"), "same", 5, CPU)
