import pytest
import torch

from jepa_compare import rng
from jepa_compare.data.environment import Criterion, play
from jepa_compare.data.rooms.random_wall import RandomWall
from tests.support.sources import build, simulated

CPU = torch.device("cpu")


def random_wall(name="two_rooms_random_wall", **overrides) -> RandomWall:
    source = build(name, **overrides)
    assert isinstance(source, RandomWall)
    return source


@pytest.fixture(scope="module")
def source():
    return random_wall()


@pytest.fixture(scope="module")
def motion(source):
    """States [n t s] and actions [n t-1 a] of 3,072 training windows."""
    windows = [simulated(source, rng.generator(0, "data", step), 384, 17) for step in range(8)]
    states, actions = zip(*windows, strict=True)
    return torch.cat(states), torch.cat(actions)


def solved(source, kind, name, n, generator):
    """Whether a reference policy solves each of n tasks by the published criterion."""
    suite = source.task_suite
    tasks = suite.sample(generator, kind, n, CPU)
    policy = suite.policy(name, generator)
    *_, last = play(source.environment, policy, tasks.start, tasks.goal, suite.steps, generator)
    return suite.reached(last, tasks.goal, "final").tolist()


def test_a_frame_is_dot_and_walls(source):
    dot, walls = source.environment.render(torch.tensor([[10.0, 50.0, 30.0, 20.0]]))[0]
    byte = (dot * (0.0369 + 1e-6) + 0.0026) * 255
    assert byte[50, 10] == pytest.approx(255, abs=1e-2)  # [y, x]
    torch.testing.assert_close(byte, byte.round(), rtol=0, atol=1e-2)
    assert byte[50, 11] == pytest.approx(189, abs=1e-2)  # ⌊255·exp(-1/(2·1.3²))⌋
    wall = walls > 1
    assert wall[4].all() and wall[60].all() and wall[:, 4].all() and wall[:, 60].all()
    assert wall[5:16, 29:32].all() and wall[25:60, 29:32].all()
    assert not wall[16:25, 5:60].any() and not wall[5:60, 5:29].any()
    assert not wall[5:60, 32:60].any()


def test_normalisation_makes_pixels_standard_and_the_brightest_one(source):
    obs = source.sample(rng.generator(0, "data"), 256, 17, CPU).obs
    dot = obs[:, :, 0] * (0.0369 + 1e-6) + 0.0026
    torch.testing.assert_close(dot.flatten(2).amax(2), torch.ones(256, 17))
    by_channel = obs.movedim(2, 0).flatten(1)
    torch.testing.assert_close(by_channel.mean(1), torch.zeros(2), rtol=0, atol=3e-3)
    torch.testing.assert_close(by_channel.std(1), torch.ones(2), rtol=0, atol=5e-3)


def test_a_large_batch_has_memory_of_its_own_that_outlives_the_next_one(source):
    """From 2 MB on it comes in huge pages, whose owner is the tensor alone."""
    first = source.sample(rng.generator(0, "data", 0), 64, 17, CPU).obs
    assert first.nbytes > 2**21 and first.is_contiguous()
    kept, small = first.clone(), source.sample(rng.generator(0, "data", 0), 64, 17, CPU).obs[:2]
    for step in range(1, 4):
        source.sample(rng.generator(0, "data", step), 64, 17, CPU).obs.add_(1)
    assert torch.equal(first, kept) and torch.equal(small, kept[:2])


def test_no_trajectory_enters_a_wall(motion):
    x, y, wall_x, door_y = motion[0].unbind(-1)
    assert (x > 4).all() and (x < 60).all() and (y > 4).all() and (y < 60).all()
    assert not (((x - wall_x).abs() < 1) & ((y - door_y).abs() > 4)).any()
    right = x > wall_x
    crossed = right[:, 1:] != right[:, :-1]
    middle = (y[:, 1:] + y[:, :-1]) / 2
    assert ((middle - door_y[:, 1:]).abs() <= 4)[crossed].all()


def test_a_step_is_taken_whole_or_not_at_all(motion):
    state, actions = motion
    moved = state[:, 1:, :2] - state[:, :-1, :2]
    taken = ((moved - actions).abs() < 1e-4).all(-1)
    stayed = (moved == 0).all(-1)
    assert (taken | stayed).all() and taken.any() and stayed.any()


def test_statistics_of_the_data(motion):
    """Against eb_jepa's own dataset, run at 966e61e over 2,000 trajectories of 90 frames: 27.5 ±
    0.4 % of steps blocked, 6.5 ± 0.3 % of 17-frame windows in both rooms, position means
    (31.9, 31.7) ± 0.3 and std (16.1, 16.9). There 1 % of trajectories start inside the wall and
    cross freely in it. Published: means (31.59, 32.06), std (16.10, 16.14)."""
    state, _ = motion
    position, right = state[..., :2], state[..., 0] > state[..., 2]
    blocked = (position[:, 1:] == position[:, :-1]).all(-1).float().mean()
    assert blocked == pytest.approx(0.275, abs=0.025)
    crossed = (right.any(1) & ~right.all(1)).float().mean()
    assert crossed == pytest.approx(0.065, abs=0.015)
    flat = position.flatten(0, 1)
    torch.testing.assert_close(flat.mean(0), torch.tensor([31.59, 32.06]), rtol=0, atol=1.0)
    torch.testing.assert_close(flat.std(0), torch.tensor([16.10, 16.14]), rtol=0, atol=1.0)


def test_all_layouts_occur_and_no_others(source, motion):
    layouts = motion[0][..., 2:]
    assert layouts[..., 0].unique().tolist() == list(range(20, 45))
    assert layouts[..., 1].unique().tolist() == list(range(10, 55))
    assert all(len(kept) == 1125 for kept in source.layouts.values())
    assert (layouts == layouts[:, :1]).all()


def test_a_window_is_part_of_the_simulation(source):
    whole = source.sample(rng.generator(0, "data"), 50, 90, CPU)
    assert whole.obs.shape[1] == 90
    with pytest.raises(ValueError, match="frames=91: must be at most simulated_frames - 1 = 90"):
        source.sample(rng.generator(0, "data"), 2, 91, CPU)


def test_the_environment_stops_at_walls_and_bounces_only_with_noise(source):
    state = torch.tensor([[28.0, 40.0, 30.0, 20.0]]).expand(2000, 4)
    action = torch.tensor([[2.0, 1.0]]).expand(2000, 2)
    still = source.environment.step(state, action)
    torch.testing.assert_close(still[0], torch.tensor([28.7, 40.5, 30.0, 20.0]))
    assert torch.equal(still, source.environment.step(state, action))
    bounce = source.environment.step(state, action, rng.generator(0, "noise"))[
        :, :2
    ] - torch.tensor([29, 40.5])
    assert bounce[:, 0].max() <= -0.3 + 1e-5
    assert bounce[:, 1].mean() == pytest.approx(0, abs=0.05)
    assert bounce[:, 1].std() == pytest.approx(0.5, abs=0.03)


def test_actions_are_cut_only_when_asked(source):
    state = torch.tensor([[10.0, 30.0, 30.0, 20.0]])
    action = torch.tensor([[4.9, 0.0]])
    assert source.environment.step(state, action)[0, 0] == pytest.approx(14.9)
    cutting = random_wall(cut_actions=True)
    assert cutting.environment.step(state, action)[0, 0] == pytest.approx(12.45)


def test_published_task_law(source):
    tasks = source.task_suite.sample(rng.generator(0, "evaluation"), "door", 4000, CPU)
    start, goal = tasks.start, tasks.goal
    assert torch.equal(start[:, 2:], goal[:, 2:])
    for state in (start, goal):
        x, _, wall_x, _ = state.unbind(-1)
        assert ((x - wall_x).abs() >= 3.6 - 1e-4).all()
        assert state[:, :2].min() >= 6.6 and state[:, :2].max() <= 57.4
    assert ((start[:, 0] > start[:, 2]) != (goal[:, 0] > goal[:, 2])).all()
    apart = (start - goal)[:, :2].norm(dim=-1).mean()
    door = start[:, 2:]
    around = (start[:, :2] - door).norm(dim=-1) + (goal[:, :2] - door).norm(dim=-1)
    assert apart == pytest.approx(35.6, abs=0.6)
    assert around.mean() == pytest.approx(46, abs=1)


def share(solved):
    return sum(solved) / len(solved)


def test_published_floors(source):
    """The published criterion over 2,000 tasks: random 0 ± 2 %, straight line 36 to 50 %; the
    door script's 100 % is tested for all sources, over 1,000 tasks here."""
    generator = rng.generator(0, "evaluation")
    line = solved(source, "door", "straight_line", 2000, generator)
    assert 0.36 <= share(line) <= 0.50
    assert share(solved(source, "door", "random", 2000, generator)) <= 0.02
    assert all(solved(source, "door", "door_script", 1000, generator))


def test_the_straight_line_solves_same_room_tasks_and_few_detours(source):
    generator = rng.generator(0, "evaluation")
    assert all(solved(source, "same", "straight_line", 500, generator))
    assert share(solved(source, "detour", "straight_line", 1000, generator)) < 0.06


def test_success_criteria(source):
    """By eb_jepa below 4.5 px at the end, by PLDM's ever below √2 px."""
    suite = source.task_suite
    assert suite.criteria == (
        Criterion(name="final", when="final"),
        Criterion(name="pldm", when="ever"),
    )
    goal = torch.tensor([[10.0, 30.0, 30.0, 20.0]]).expand(4, 4)
    state = goal + torch.tensor([[4.4], [4.5], [1.4], [1.5]]) * torch.tensor([1.0, 0, 0, 0])
    assert suite.reached(state, goal, "final").tolist() == [True, False, True, True]
    assert suite.reached(state, goal, "pldm").tolist() == [False, False, True, False]


def test_held_out_layouts_are_never_trained_on():
    source = random_wall("two_rooms_random_wall_held_out")
    held_out = {tuple(row) for row in source.layouts["evaluation"].tolist()}
    assert len(held_out) == 225 and len(source.layouts["train"]) == 900

    def seen(state):
        return {tuple(row) for row in state.reshape(-1, 4)[:, 2:].tolist()}

    def sampled(seed, split):
        return simulated(source, rng.generator(seed, "data"), 3000, 2, CPU, split)[0]

    trained = seen(sampled(0, "train")) | seen(sampled(1, "train"))
    assert not trained & held_out and len(trained) > 880
    assert seen(sampled(0, "evaluation")) <= held_out
    for kind in source.task_suite.kinds:
        tasks = source.task_suite.sample(rng.generator(0, "evaluation"), kind, 300, CPU)
        assert seen(tasks.start) | seen(tasks.goal) <= held_out


def test_which_layouts_are_held_out_depends_on_their_number_alone():
    few = random_wall(held_out_layouts=10).layouts["evaluation"]
    more = random_wall(held_out_layouts=20).layouts["evaluation"]
    assert torch.equal(few, more[:10])
    assert few[0].tolist() == [39.0, 35.0]


def test_a_small_version_works_for_cpu_sized_runs():
    source = random_wall(size=33, wall_margin=12, door_margin=10, simulated_frames=20)
    batch = source.sample(rng.generator(0, "data"), 8, 9, CPU)
    assert batch.obs.shape == (8, 9, 2, 33, 33)
    assert all(solved(source, "door", "door_script", 50, rng.generator(0, "evaluation")))


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("border", 0, "at least 1"),
        ("blob_std", 0.0, "above 0"),
        ("wall_half_width", 0, "at least 1"),
        ("wall_margin", 8, "at least 12 px"),
        ("wall_margin", 33, "below size/2 = 32.5"),
        ("door_half_height", 0, "at least 1"),
        ("door_margin", 5, "at least 9 px"),
        ("door_fraction", -0.1, "between 0 and 1"),
        ("simulated_frames", 2, "at least 3"),
        ("max_action_norm", 0.0, "above 0"),
        ("min_same_distance", -1.0, "at least 0"),
        ("success_distance", 0.0, "above 0"),
        ("episode_steps", 0, "at least 1"),
        ("held_out_layouts", 1125, "below the number of layouts, 1125"),
    ],
)
def test_arguments_out_of_range_are_named(name, value, allowed):
    with pytest.raises(ValueError, match=f"{name}={value}: must be .*{allowed}"):
        random_wall(**{name: value})
