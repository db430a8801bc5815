"""The state of a run: what it starts from, whatever the loss is, and what a checkpoint holds."""

from pathlib import Path

import pytest
import torch
from torch import nn

from jepa_compare import build
from jepa_compare.config.compose import CONF_DIR
from jepa_compare.evaluation.held_out import sample_held_out
from jepa_compare.rng import generator
from jepa_compare.runs.records import Alarm
from jepa_compare.training import checkpoint
from jepa_compare.training.state import TrainingState, adamw
from jepa_compare.training.step import training_step
from tests.support.faults import Disk
from tests.support.runs import built, job

LOSSES = sorted(p.stem for p in (CONF_DIR / "aux_loss").glob("*.yaml") if p.stem != "barlow")
CPU = torch.device("cpu")


def start_of(loss: str, *overrides: str) -> tuple[bytes, ...]:
    """Initial weights, first batches and evaluation data of a run, as bytes."""
    config = job(f"aux_loss={loss}", *overrides).config
    source = build.build_source(config)
    aux_loss = build.build_aux_loss(config)
    model = build.build_model(config, source)
    aux_loss.prepare(0, 0.0, generator(config.seed, "aux_loss", 0))
    parts = [
        p.detach().numpy().tobytes()
        for p in (*model.encoder.parameters(), *model.predictor.parameters())
    ]
    for step in (0, 7):
        batch = source.sample(generator(config.seed, "data", step), 4, 8, CPU)
        parts += [batch.obs.numpy().tobytes(), batch.actions.numpy().tobytes()]  # pyright: ignore
    held_out = sample_held_out(source, config.evaluation, CPU)
    parts += [batch.obs.numpy().tobytes() for batch in (held_out.fit, *held_out.sets)]
    assert source.task_suite is not None
    tasks = source.task_suite.sample(generator(0, "evaluation/detour"), "detour", 5, CPU)
    return (*parts, *(t.numpy().tobytes() for t in (tasks.start, tasks.goal)))


def test_the_loss_changes_neither_weights_nor_batches_nor_evaluation() -> None:
    reference = start_of("none")
    for loss in LOSSES:
        assert start_of(loss) == reference, loss
    assert start_of("none", "seed=1")[0] != reference[0]


def test_building_it_writes_nothing() -> None:
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch)
        state = built()
    assert [name for _, name in disk.events if name != "clear_refs"] == []  # Linux's own, in /proc
    assert (state.step, state.saved_at, state.alarms) == (0, None, [])
    assert state.parameters()["encoder"] == 150_432


def advance(state: TrainingState, steps: int) -> list[float]:
    """The loss of each of the next steps."""
    losses = []
    for _ in range(steps):
        terms = training_step(state, state.batch(state.step), measure_gradients=False)
        losses.append(terms["train/loss"].item())
        state.step += 1
    return losses


DINO = ("aux_loss=dino", "aux_loss.target=ema", "aux_loss.allow_inert_target=true")
REFERENCE = ("data=two_rooms_random_wall", "model=impala_gru", "aux_loss=vicreg_context")


@pytest.mark.parametrize("overrides", [DINO, REFERENCE], ids=["dino", "channels last"])
def test_a_restored_state_goes_on_as_the_saved_one(
    tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    saved, restored = built(*overrides), built(*overrides)
    advance(saved, 3)
    saved.seconds, saved.interim_seconds, saved.compile_mode = 1.0, 2.0, "off"
    saved.alarms, saved.alarmed, saved.collapsed_at = [Alarm(step=1, message="m")], True, 2
    content = saved.to_checkpoint(run_hash="0123abcd", metrics_bytes=17)
    checkpoint.save(tmp_path, content)
    loaded = checkpoint.load(tmp_path, "0123abcd", CPU)
    assert loaded is not None and loaded["metrics_bytes"] == 17
    restored.restore(loaded)
    assert restored.step == restored.saved_at == 3
    assert restored.to_checkpoint(run_hash="0123abcd", metrics_bytes=17).keys() == content.keys()
    for name in ("seconds", "interim_seconds", "compile_mode", "alarms", "alarmed", "collapsed_at"):
        assert getattr(restored, name) == getattr(saved, name), name
    assert advance(restored, 3) == advance(saved, 3)


@pytest.mark.parametrize("kind", ["plain", "channels last", "transposed", "with gaps"])
def test_the_optimiser_moves_each_weight_by_its_own_gradient(kind: str) -> None:
    """By that of AdamW (Loshchilov, Hutter, arXiv 1711.05101), whatever the weight's strides are:
    the fused kernel takes memory as it comes."""
    made = torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    weight = nn.Parameter(
        {
            "plain": made,
            "channels last": made.contiguous(memory_format=torch.channels_last),
            "transposed": made.flatten(1).t(),
            "with gaps": made[:, 1:3],
        }[kind]
    )
    expected = weight.detach().clone()
    module = nn.ParameterList([weight])
    optimizer = adamw(module, lr=0.01, weight_decay=0.1)
    assert bool(optimizer.defaults["fused"]) == (kind != "with gaps")
    scale = torch.linspace(-2, 2, weight.numel()).view(weight.shape)
    (weight * scale).sum().backward()
    optimizer.step()
    # At the first step both moments, their bias corrected, are the gradient's own.
    expected.mul_(1 - 0.01 * 0.1).sub_(0.01 * scale.sign())
    torch.testing.assert_close(weight.detach(), expected)


def test_the_optimiser_has_the_same_numbers_with_any_number_of_threads() -> None:
    before, made = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            weight = nn.Parameter(torch.linspace(-1, 1, 100_003))
            optimizer = adamw(nn.ParameterList([weight]), lr=0.01, weight_decay=0.1)
            for _ in range(3):
                weight.grad = weight.detach().cos()
                optimizer.step()
            made.append(weight.detach())
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*made)


def test_what_does_not_fit_is_not_restored() -> None:
    other = built("model.dim=16").to_checkpoint(run_hash="0123abcd", metrics_bytes=0)
    with pytest.raises(RuntimeError, match="size mismatch"):
        built().restore(other)


@pytest.mark.parametrize("on_collapse", ["warn", "stop"])
def test_a_collapse_ends_the_run_where_that_is_asked_for(on_collapse: str) -> None:
    state = built(f"training.on_collapse={on_collapse}")
    assert not state.stopped_by_collapse
    state.collapsed_at = 0
    assert state.stopped_by_collapse == (on_collapse == "stop")


def test_a_batch_holds_neither_labels_nor_reward() -> None:
    state = built("data._target_=tests.support.rewarded.Rewarded")
    whole, batch = state.batches.batch(0), state.batch(0)
    assert whole.labels and whole.reward is not None
    assert not batch.labels and batch.reward is None
    assert torch.equal(batch.obs, whole.obs)
