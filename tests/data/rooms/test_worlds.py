"""What every shipped world promises (`jepa_compare.data.base.World`)."""

import inspect

import pytest
import torch

from jepa_compare import rng
from jepa_compare.data.policies import play
from tests.support.worlds import NAMES, build, node

CPU = torch.device("cpu")


@pytest.fixture(params=NAMES)
def world(request):
    return build(request.param)


def drawn(world, step: int, size: int = 6, frames: int = 5, device=CPU, split="train"):
    return world.sample(rng.generator(0, "data", step), size, frames, device, split)


@pytest.mark.parametrize("name", NAMES)
def test_the_yaml_lists_the_arguments_of_the_constructor(name):
    data = node(name)
    parameters = inspect.signature(type(build(name))).parameters.values()
    assert data.pop("name") == name
    data.pop("_target_")
    assert set(data) == {parameter.name for parameter in parameters}
    assert all(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters)


def test_shapes_and_types(world):
    batch = drawn(world, 0)
    assert batch.obs.shape == (6, 5, *world.obs_shape) and batch.obs.dtype == torch.float32
    assert batch.actions.shape == (6, 4, world.action_dim)
    assert batch.state.shape == (6, 5, world.state_dim)
    assert batch.obs.isfinite().all()
    picture = world.picture(batch.state[:, 0])
    assert picture.shape == (6, *world.obs_shape[1:])
    assert picture.min() >= 0 and 0.5 < picture.max() <= 1


def test_frames_are_a_function_of_the_state(world):
    batch = drawn(world, 0)
    rendered = world.render(batch.state.flatten(0, 1)).unflatten(0, (6, 5))
    torch.testing.assert_close(rendered, batch.obs, rtol=0, atol=0)


def test_a_batch_depends_on_seed_stream_and_step_alone(world):
    first = drawn(world, 3)
    torch.manual_seed(1)
    torch.rand(100)
    drawn(world, 2)
    world.sample_tasks(rng.generator(0, "evaluation"), "door", 5, CPU)
    again = drawn(world, 3)
    assert torch.equal(first.obs, again.obs)
    assert torch.equal(first.actions, again.actions)
    assert torch.equal(first.state, again.state)
    assert not torch.equal(first.state, drawn(world, 4).state)


def test_nothing_is_drawn_from_the_global_generator(world):
    before = torch.get_rng_state()
    batch = drawn(world, 0)
    generator = rng.generator(0, "evaluation")
    world.sample_tasks(generator, "detour", 5, CPU)
    world.step(batch.state[:, 0], batch.actions[:, 0], generator)
    assert torch.equal(before, torch.get_rng_state())


def test_the_batch_size_is_free_and_trajectories_differ(world):
    positions = drawn(world, 0, size=40).state[:, 0, :2]
    assert len(positions.unique(dim=0)) == 40
    assert drawn(world, 0, size=1, frames=2).obs.shape[:2] == (1, 2)


def test_tasks_are_the_same_however_many_are_drawn(world):
    for kind in world.task_kinds:
        few = world.sample_tasks(rng.generator(0, "evaluation"), kind, 3, CPU)
        many = world.sample_tasks(rng.generator(0, "evaluation"), kind, 7, CPU)
        for a, b in zip(few, many, strict=True):
            assert a.shape == (3, world.state_dim)
            assert torch.equal(a, b[:3])


def test_unknown_kinds_and_criteria_are_named(world):
    with pytest.raises(ValueError, match="task kind=tunnel: must be one of same, door, detour"):
        world.sample_tasks(rng.generator(0, "evaluation"), "tunnel", 3, CPU)
    with pytest.raises(ValueError, match="criterion=soon: must be one of"):
        world.success(torch.zeros(1, 2), "soon")


def test_the_door_script_is_the_ceiling(world):
    generator = rng.generator(0, "evaluation")
    for kind in world.task_kinds:
        start, goal = world.sample_tasks(generator, kind, 300, CPU)
        path = play(world, world.door_script, start, goal, world.episode_steps, generator)
        distance = (path - goal[:, None, :2]).norm(dim=-1)
        for criterion in world.criteria:
            assert world.success(distance, criterion).all()


def test_no_path_enters_the_rectangles_that_are_drawn_as_walls(world):
    generator = rng.generator(0, "evaluation")
    start, goal = world.sample_tasks(generator, "detour", 20, CPU)
    path = play(world, lambda state, goal: goal[:, :2] - state[:, :2], start, goal, 30, generator)
    margin = 1e-3
    for i in range(20):
        for x0, y0, x1, y1 in world.walls(start[i]):
            x, y = path[i].unbind(-1)
            inside = (x > x0 + margin) & (x < x1 - margin) & (y > y0 + margin) & (y < y1 - margin)
            assert not inside.any()


def test_a_step_does_what_is_executed(world):
    batch = drawn(world, 0, size=40)
    directions = torch.randn(40, 2, generator=rng.generator(0, "actions"))
    for length in (0.5, 20.0):
        action = length * directions / directions.norm(dim=1, keepdim=True)
        executed = world.feasible(action)
        moved, same = (world.step(batch.state[:, 0], a) for a in (action, executed))
        torch.testing.assert_close(moved, same, rtol=0, atol=1e-5)
        longest = length if not getattr(world, "cut_actions", True) else world.max_action_norm
        expected = torch.full((40,), min(length, longest))
        torch.testing.assert_close(executed.norm(dim=1), expected)


@pytest.mark.gpu
def test_the_gpu_makes_the_same_data_without_waiting_for_it(world):
    device = torch.device("cuda")
    drawn(world, 0, device=device)  # kernels load
    on_cpu = drawn(world, 1)
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        on_gpu = drawn(world, 1, device=device)
        moved = world.step(on_gpu.state[:, 0], on_gpu.actions[:, 0], rng.generator(0, "noise"))
        world.render(moved)
    finally:
        torch.cuda.set_sync_debug_mode(mode)
    torch.testing.assert_close(on_gpu.state.cpu(), on_cpu.state, rtol=0, atol=1e-4)
    torch.testing.assert_close(on_gpu.actions.cpu(), on_cpu.actions, rtol=0, atol=1e-5)
    difference = (on_gpu.obs.cpu() - on_cpu.obs).abs()
    # Where a frame is bytes, a rounding can move a pixel by one byte, 0.11 in its unit.
    assert difference.mean() < 1e-4 and difference.max() < 0.25


@pytest.mark.gpu
def test_tasks_are_the_same_bytes_on_the_gpu(world):
    for kind in world.task_kinds:
        there = world.sample_tasks(rng.generator(0, "t"), kind, 9, torch.device("cuda"))
        here = world.sample_tasks(rng.generator(0, "t"), kind, 9, CPU)
        assert all(torch.equal(a.cpu(), b) for a, b in zip(there, here, strict=True))
