"""What every shipped source promises (`jepa_compare.data.base.Source`)."""

import inspect

import pytest
import torch

from jepa_compare import rng
from jepa_compare.data.environment import play
from tests.support.sources import NAMES, build, node, simulated, walked

CPU = torch.device("cpu")


@pytest.fixture(params=NAMES)
def source(request):
    return build(request.param)


def drawn(source, step: int, size: int = 6, frames: int = 5, device=CPU, split="train"):
    return source.sample(rng.generator(0, "data", step), size, frames, device, split)


@pytest.mark.parametrize("name", NAMES)
def test_the_yaml_lists_the_arguments_of_the_constructor(name):
    data = node(name)
    parameters = inspect.signature(type(build(name))).parameters.values()
    assert data.pop("name") == name
    data.pop("_target_")
    assert set(data) == {parameter.name for parameter in parameters}
    assert all(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters)


def test_shapes_and_types(source):
    batch = drawn(source, 0)
    assert batch.obs.shape == (6, 5, *source.obs_shape) and batch.obs.dtype == torch.float32
    assert batch.actions.shape == (6, 4, source.action_dim)
    assert {name: label.shape for name, label in batch.labels.items()} == {"position": (6, 5, 2)}
    assert [(c.name, c.unit, c.kind) for c in source.columns] == [("position", "px", "continuous")]
    assert batch.obs.isfinite().all()
    picture = source.picture(batch.obs[:, 0])
    assert picture.shape == (6, *source.obs_shape[1:])
    assert picture.min() >= 0 and 0.5 < picture.max() <= 1


def test_frames_are_a_function_of_the_state(source):
    batch = drawn(source, 0)
    state, actions = simulated(source, rng.generator(0, "data", 0), 6, 5)
    rendered = source.environment.render(state.flatten(0, 1)).unflatten(0, (6, 5))
    torch.testing.assert_close(rendered, batch.obs, rtol=0, atol=0)
    assert torch.equal(actions, batch.actions)
    assert torch.equal(state[..., :2], batch.labels["position"])


def test_a_batch_depends_on_seed_stream_and_step_alone(source):
    first = drawn(source, 3)
    torch.manual_seed(1)
    torch.rand(100)
    drawn(source, 2)
    source.task_suite.sample(rng.generator(0, "evaluation"), "door", 5, CPU)
    again = drawn(source, 3)
    assert torch.equal(first.obs, again.obs)
    assert torch.equal(first.actions, again.actions)
    assert torch.equal(first.labels["position"], again.labels["position"])
    assert not torch.equal(first.labels["position"], drawn(source, 4).labels["position"])


def test_nothing_is_drawn_from_the_global_generator(source):
    before = torch.get_rng_state()
    drawn(source, 0)
    generator = rng.generator(0, "evaluation")
    start = source.task_suite.sample(generator, "detour", 5, CPU).start
    source.environment.step(start, torch.ones(5, 2), generator)
    assert torch.equal(before, torch.get_rng_state())


def test_the_batch_size_is_free_and_trajectories_differ(source):
    positions = drawn(source, 0, size=40).labels["position"][:, 0]
    assert len(positions.unique(dim=0)) == 40
    assert drawn(source, 0, size=1, frames=2).obs.shape[:2] == (1, 2)


def test_tasks_are_the_same_however_many_are_drawn(source):
    for kind in source.task_suite.kinds:
        few = source.task_suite.sample(rng.generator(0, "evaluation"), kind, 3, CPU)
        many = source.task_suite.sample(rng.generator(0, "evaluation"), kind, 7, CPU)
        for a, b in ((few.start, many.start), (few.goal, many.goal)):
            assert len(a) == 3 and torch.equal(a, b[:3])


def test_unknown_kinds_and_criteria_are_named(source):
    with pytest.raises(ValueError, match="task kind=tunnel: must be one of same, door, detour"):
        source.task_suite.sample(rng.generator(0, "evaluation"), "tunnel", 3, CPU)
    state = torch.zeros(1, 4)
    with pytest.raises(ValueError, match="criterion=soon: must be one of"):
        source.task_suite.reached(state, state, "soon")
    with pytest.raises(ValueError, match="policy=best: must be one of random"):
        source.task_suite.policy("best", rng.generator(0, "evaluation"))


def test_the_door_script_is_the_ceiling(source):
    generator, suite = rng.generator(0, "evaluation"), source.task_suite
    for kind in suite.kinds:
        tasks = suite.sample(generator, kind, 300, CPU)
        policy = suite.policy("door_script", generator)
        states = list(
            play(source.environment, policy, tasks.start, tasks.goal, suite.steps, generator)
        )
        for criterion in suite.criteria:
            reached = [suite.reached(state, tasks.goal, criterion.name) for state in states]
            ever = torch.stack(reached).any(dim=0)
            assert (reached[-1] if criterion.when == "final" else ever).all()


def test_no_path_enters_the_rectangles_that_are_drawn_as_walls(source):
    generator, suite = rng.generator(0, "evaluation"), source.task_suite
    tasks = suite.sample(generator, "detour", 20, CPU)
    straight = lambda state, goal: goal[:, :2] - state[:, :2]  # noqa: E731
    path = walked(source, straight, tasks.start, tasks.goal, 30, generator)
    margin = 1e-3
    obstacles = suite.obstacles(tasks.start)
    assert len(obstacles) == 20
    for i in range(20):
        for x0, y0, x1, y1 in obstacles[i]:
            x, y = path[i].unbind(-1)
            inside = (x > x0 + margin) & (x < x1 - margin) & (y > y0 + margin) & (y < y1 - margin)
            assert not inside.any()


def test_a_step_does_what_is_feasible(source):
    environment = source.environment
    state = simulated(source, rng.generator(0, "data", 0), 40, 5)[0][:, 0]
    directions = torch.randn(40, 2, generator=rng.generator(0, "actions"))
    for length in (0.5, 20.0):
        action = length * directions / directions.norm(dim=1, keepdim=True)
        feasible = environment.feasible(action)
        moved, same = (environment.step(state, a) for a in (action, feasible))
        torch.testing.assert_close(moved, same, rtol=0, atol=1e-5)
        cuts = getattr(environment, "cut_actions", True)
        expected = torch.full((40,), min(length, environment.max_action_norm if cuts else length))
        torch.testing.assert_close(feasible.norm(dim=1), expected)


@pytest.mark.gpu
def test_the_gpu_makes_the_same_data_without_waiting_for_it(source):
    device = torch.device("cuda")
    drawn(source, 0, device=device)  # kernels load
    on_cpu = drawn(source, 1)
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        on_gpu = drawn(source, 1, device=device)
        state, actions = simulated(source, rng.generator(0, "data", 1), 6, 5, device)
        noise = rng.generator(0, "noise")
        source.environment.render(source.environment.step(state[:, 0], actions[:, 0], noise))
    finally:
        torch.cuda.set_sync_debug_mode(mode)
    torch.testing.assert_close(
        on_gpu.labels["position"].cpu(), on_cpu.labels["position"], rtol=0, atol=1e-4
    )
    torch.testing.assert_close(on_gpu.actions.cpu(), on_cpu.actions, rtol=0, atol=1e-5)
    difference = (on_gpu.obs.cpu() - on_cpu.obs).abs()
    # Where a frame is bytes, a rounding can move a pixel by one byte, 0.11 in its unit.
    assert difference.mean() < 1e-4 and difference.max() < 0.25


@pytest.mark.gpu
def test_tasks_are_the_same_bytes_on_the_gpu(source):
    for kind in source.task_suite.kinds:
        there = source.task_suite.sample(rng.generator(0, "t"), kind, 9, torch.device("cuda"))
        here = source.task_suite.sample(rng.generator(0, "t"), kind, 9, CPU)
        assert torch.equal(there.start.cpu(), here.start) and torch.equal(
            there.goal.cpu(), here.goal
        )
