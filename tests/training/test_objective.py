"""What a user's loss may return, and what is said of anything else."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from jepa_compare.losses import AuxOutput
from jepa_compare.training.objective import WrongOutput
from tests.support.runs import built

Returned = Callable[[torch.Tensor], Any]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda z: None, "returned None;"),
        (lambda z: 0.5, "returned a float;"),
        (lambda z: (z.mean(), {}), "returned a tuple;"),
        (lambda z: z.mean(), r"returned a tensor of shape \(\) and type torch.float32;"),
        (lambda z: {"loss": z.mean()}, "returned a dict with the keys 'loss';"),
        (lambda z: AuxOutput(z.mean((0, 1)), {}), r"loss=a tensor of shape \(128,\)"),
        (lambda z: AuxOutput(z.mean().double(), {}), r"loss=.* type torch.float64;"),
        (lambda z: AuxOutput(z.mean().detach(), {}), "a loss without a gradient;"),
        (lambda z: AuxOutput(0.5, {}), "loss=a float;"),  # pyright: ignore[reportArgumentType]
        (lambda z: AuxOutput(z.mean(), None), "terms=None;"),  # pyright: ignore[reportArgumentType]
        (lambda z: AuxOutput(z.mean(), {"a": 0.5}), r"terms\['a'\]=a float;"),  # pyright: ignore[reportArgumentType]
        (lambda z: AuxOutput(z.mean(), {3: z.mean()}), "terms with the key 3;"),  # pyright: ignore[reportArgumentType]
        (lambda z: AuxOutput(z.mean(), {"a": z.mean()}), r"terms\['a'\] with a gradient"),
    ],
)
def test_a_loss_that_returns_the_wrong_thing_is_told_its_name_and_the_contract(
    answer: Returned, said: str
) -> None:
    state = built("aux_loss=vicreg")
    kind = type(state.objective.aux_loss)
    state.objective.aux_loss.forward = lambda latents: answer(latents.z_pred)
    with pytest.raises(WrongOutput, match=said) as caught:
        state.objective(state.batch(0))
    message = str(caught.value)
    assert f"{kind.__module__}.{kind.__name__}" in message and "\n" not in message
    assert "it must return AuxOutput(loss=" in message


def test_a_right_answer_and_no_loss_at_all_pass() -> None:
    state = built("aux_loss=vicreg")
    state.objective.aux_loss.forward = lambda latents: AuxOutput(
        loss=latents.z_pred.mean(), terms={"a": latents.z_pred.detach().mean()}
    )
    state.objective(state.batch(0))
    none = built("aux_loss=none")
    none.objective(none.batch(0))
