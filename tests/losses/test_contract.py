"""What every loss in conf/aux_loss must do. A new YAML is found and tested by itself."""

import inspect
import json
import math
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from jepa_compare.checks import RangeError
from jepa_compare.config.compose import CONF_DIR
from jepa_compare.config.schema import AUX_LOSS_KEYS
from jepa_compare.latents import Latents
from jepa_compare.losses import AuxLoss
from tests.golden import definitions

GOLDEN_DIR = Path(__file__).parent.parent / "golden"
GOLDEN = json.loads((GOLDEN_DIR / "golden.json").read_text())


def load(name: str) -> dict[str, Any]:
    """A node of conf/aux_loss with its defaults, without Hydra."""
    node = OmegaConf.load(CONF_DIR / "aux_loss" / f"{name}.yaml")
    plain: dict[str, Any] = OmegaConf.to_container(node)  # pyright: ignore
    for base in plain.pop("defaults", []):
        if base != "_self_":
            plain = load(base) | plain
    return plain


NAMES = sorted(path.stem for path in (CONF_DIR / "aux_loss").glob("*.yaml"))
LOSSES = [name for name in NAMES if name != "barlow"]  # the alias


def build(name: str, dim: int = definitions.D, **changed: Any) -> AuxLoss:
    torch.manual_seed(0)
    node = load(name)
    arguments = {k: v for k, v in node.items() if k not in AUX_LOSS_KEYS} | changed
    loss = pkgutil.resolve_name(node["_target_"])(dim=dim, **arguments)
    loss.prepare(0, 0.0, torch.Generator().manual_seed(1))
    return loss


def latents(
    pred: torch.Tensor, target: torch.Tensor, context: torch.Tensor | None = None
) -> Latents:
    return Latents(
        z_pred=pred[:, None],
        z_target=target[:, None],
        z_context=(pred if context is None else context)[:, None],
    )


def random_latents(n: int = 16, dim: int = definitions.D, dtype: Any = torch.float32) -> Latents:
    generator = torch.Generator().manual_seed(3)
    a, b = (torch.randn(n, dim, generator=generator).to(dtype).requires_grad_() for _ in range(2))
    return latents(a, b)


@pytest.mark.parametrize("name", LOSSES)
def test_the_yaml_lists_exactly_the_constructors_arguments(name: str) -> None:
    node = load(name)
    parameters = inspect.signature(pkgutil.resolve_name(node["_target_"])).parameters
    assert set(node) - set(AUX_LOSS_KEYS) == set(parameters) - {"dim"}
    assert all(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters.values())
    assert set(AUX_LOSS_KEYS) - {"search"} <= set(node)  # without: the weight is tuned


def test_the_alias_is_the_same_node() -> None:
    assert load("barlow") == load("barlow_twins")


@pytest.mark.parametrize("name", LOSSES)
def test_every_argument_is_documented_by_itself_in_the_order_of_the_constructor(name: str) -> None:
    constructor = pkgutil.resolve_name(load(name)["_target_"])
    _, _, arguments = (inspect.getdoc(constructor) or "").partition("\nArgs:\n")
    documented = re.findall(r"^    (\w+): \S", arguments, re.MULTILINE)
    assert documented == list(inspect.signature(constructor).parameters)


@pytest.mark.parametrize(
    ("name", "argument", "value", "allowed"),
    [
        ("vicreg", "cov_coeff", -1.0, "at least 0"),
        ("vicreg", "eps", 0.0, "at least 1e-12"),
        ("vicreg", "on", "view", "one of views, context (did you mean 'views'?)"),
        ("barlow_twins", "projector", [8, 0], "a list of positive widths"),
        ("barlow_auto", "scale_loss", -0.1, "at least 0"),
        ("dino", "teacher_temperature", 0.0, "above 0"),
        ("dino", "head_momentum", 1.1, "between 0 and 1"),
        ("dino", "prototypes", 1, "at least 2"),
        ("dino", "hidden", [0], "a list of positive widths"),
        ("dino_paper", "final_head_momentum", 1.1, "between 0 and 1"),
        ("dino_paper", "frozen_fraction", -0.1, "between 0 and 1"),
        ("dino_center", "center_momentum", -0.1, "between 0 and 1"),
        ("sigreg", "knots", 2, "at least 3"),
        ("sigreg", "t_max", 0.0, "above 0"),
    ],
)
def test_a_value_out_of_range_is_named(name: str, argument: str, value: Any, allowed: str) -> None:
    with pytest.raises(RangeError) as caught:
        build(name, **{argument: value})
    error = caught.value
    assert (error.name, error.value, error.allowed) == (argument, value, allowed)


@pytest.mark.parametrize("name", LOSSES)
def test_the_authors_numbers(name: str) -> None:
    golden = GOLDEN[name]
    loss = build(name, **golden["arguments"])
    a, b = (torch.tensor(z, dtype=torch.float32, requires_grad=True) for z in definitions.inputs())
    if name == "sigreg":
        loss.directions.copy_(torch.tensor(definitions.slices()))  # pyright: ignore
    if name in ("dino", "dino_paper"):
        set_dino_weights(loss)
    if name == "dino_center":
        loss.center.copy_(0.05 * torch.arange(definitions.D))  # pyright: ignore
    output = loss.eval()(latents(a, b))
    assert output.loss.item() == pytest.approx(golden["loss"], rel=1e-5, abs=1e-6)
    if not output.loss.requires_grad:
        assert golden["gradient_pred"] == golden["gradient_target"] == [0.0] * 4
        return
    grads = torch.autograd.grad(output.loss, (a, b), allow_unused=True)
    for key, grad in zip(("gradient_pred", "gradient_target"), grads, strict=True):
        values = [0.0 if grad is None else grad[i].item() for i in definitions.COORDINATES]
        assert values == pytest.approx(golden[key], rel=2e-4, abs=2e-5), key


def set_dino_weights(loss: Any) -> None:
    """The head of `definitions.head`, in student and teacher, and its center."""
    for head in (loss.student, loss.teacher):
        with torch.no_grad():
            first, last = head.body[0], head.body[-1]
            first.weight.copy_(torch.tensor(definitions.weights(5, definitions.D)))
            last.weight.copy_(torch.tensor(definitions.weights(4, 5)))
            first.bias.zero_()
            last.bias.zero_()
            head.prototypes.copy_(torch.tensor(definitions.weights(7, 4)))
    loss.center.copy_(0.05 * torch.arange(7))
    loss.temperature.fill_(0.04)


def test_golden_numbers_are_those_of_the_definitions() -> None:
    assert set(GOLDEN) == set(LOSSES)
    for name, (function, _, _) in definitions.SOURCES.items():
        assert function(*definitions.inputs()) == pytest.approx(GOLDEN[name]["loss"], rel=1e-9)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("case", ["constant", "two samples", "wide", "bfloat16"])
def test_edge_inputs_give_finite_losses_and_gradients(name: str, case: str) -> None:
    dim = 40 if case == "wide" else definitions.D
    loss = build(name, dim=dim)
    if case == "constant":
        z = torch.full((16, dim), 0.7)
        given = latents(z.clone().requires_grad_(), z.clone().requires_grad_())
    else:
        n = 2 if case == "two samples" else 16
        dtype = torch.bfloat16 if case == "bfloat16" else torch.float32
        given = random_latents(n, dim, dtype)
    output = loss(given)
    assert output.loss.dtype == torch.float32
    assert output.loss.shape == ()
    assert torch.isfinite(output.loss)
    if output.loss.requires_grad:
        inputs = (given.z_pred, given.z_target)
        for grad in torch.autograd.grad(output.loss, inputs, allow_unused=True):
            assert grad is None or torch.isfinite(grad).all()


@pytest.mark.parametrize("name", LOSSES)
def test_terms_are_detached_scalars_under_fixed_keys(name: str) -> None:
    loss = build(name)
    keys = [list(loss(random_latents(n)).terms) for n in (16, 8)]
    assert keys[0] == keys[1]
    for value in loss(random_latents()).terms.values():
        assert value.shape == () and not value.requires_grad


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "none"])
def test_nan_propagates(name: str) -> None:
    given = random_latents()
    with torch.no_grad():
        given.z_pred[0, 0, 0] = math.nan
    assert torch.isnan(build(name)(given).loss)


@pytest.mark.parametrize("name", LOSSES)
def test_eval_forward_is_pure_and_all_state_is_in_the_state_dict(name: str) -> None:
    loss = build(name)
    loss(random_latents())
    loss.on_step_end(0.1)
    other = build(name)
    other.load_state_dict(loss.state_dict())
    assert torch.equal(loss(random_latents()).loss, other(random_latents()).loss)
    before = {key: value.clone() for key, value in loss.state_dict().items()}
    loss.eval()(random_latents())
    assert all(torch.equal(before[key], value) for key, value in loss.state_dict().items())


@pytest.mark.parametrize("name", LOSSES)
def test_forward_works_under_autocast_in_float32(name: str) -> None:
    outside = build(name)(random_latents()).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = build(name)(random_latents()).loss
    assert torch.equal(outside, inside)


@pytest.mark.parametrize("name", LOSSES)
def test_a_constant_encoder_has_the_documented_gradient(name: str) -> None:
    """Zero everywhere or not, as each paper's terms say; a collapsed run starts from here."""
    z = torch.full((16, definitions.D), 0.7)
    given = latents(z.clone().requires_grad_(), z.clone().requires_grad_())
    output = build(name)(given)
    grad = torch.zeros(())
    if output.loss.requires_grad:
        (grad,) = torch.autograd.grad(output.loss, given.z_pred, allow_unused=True)
        grad = torch.zeros(()) if grad is None else grad
    # A constant is a stationary point of every variance-like statistic (the centred latents are
    # zero); SIGReg and DINO's center see where it is, and DINO's student is not yet its teacher.
    moves = name in ("sigreg", "dino_center", "dino", "dino_paper")
    assert bool(grad.abs().max() > 1e-7) == moves
