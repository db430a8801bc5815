"""A config becomes parts: what does not fit is said before a run."""

import pytest

from jepa_compare import build
from jepa_compare.checks import ConfigError
from tests.support.runs import config_of


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("aux_loss.std_coef=1", "did you mean 'std_coeff'?"),
        ("+aux_loss.sim_weight=1", "sim_weight=1: unknown key"),
        ("+aux_loss.foo=1", "aux_loss.foo=1: unknown key"),
        ("aux_loss.std_coeff=abc", "aux_loss.std_coeff=abc: must be of type float"),
        ("aux_loss.std_coeff=true", "aux_loss.std_coeff=True: must be of type float"),
        ("aux_loss.std_coeff=-1", "std_coeff"),
        ("~aux_loss.std_coeff", "aux_loss.std_coeff: missing"),
        ("aux_loss._target_=no.such.Loss", "aux_loss._target_=no.such.Loss: cannot be imported"),
        ("aux_loss._target_=collections.Counter", "is not a jepa_compare.losses.base.AuxLoss"),
        ("aux_loss.target=stop_grad", "aux_loss.allow_inert_target=true"),
        ("data.substeps=0", "substeps"),
        ("evaluation.planning.kinds=[same,nowhere]", "evaluation.planning.kinds=nowhere"),
        ("data._target_=tests.support.sources.OneHot", "the planners need continuous actions"),
    ],
)
def test_constructors_arguments_are_checked_before_a_run(override: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build.check(config_of("aux_loss=vicreg", override))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
