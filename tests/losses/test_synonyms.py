"""Names from papers lead to arguments that exist."""

import inspect

import pytest

from jepa_compare import losses
from jepa_compare.losses.synonyms import KNOWN_AS

ARGUMENTS = {
    name
    for shipped in vars(losses).values()
    if isinstance(shipped, type) and losses.AuxLoss in shipped.__bases__
    for name in inspect.signature(shipped).parameters
}


@pytest.mark.parametrize("brought", KNOWN_AS)
def test_every_synonym_leads_to_arguments_of_shipped_losses(brought: str) -> None:
    assert KNOWN_AS[brought]
    assert set(KNOWN_AS[brought]) <= ARGUMENTS - {"dim"}
    assert brought not in ARGUMENTS  # else no error would ever name it


@pytest.mark.parametrize(
    ("brought", "key"),
    [
        ("lambda_param", "off_diagonal_weight"),
        ("lambd", "off_diagonal_weight"),
        ("center_ema_decay", "center_momentum"),
        ("proj_hidden_dim", "projector"),
        ("proj_output_dim", "projector"),
    ],
)
def test_names_of_an_earlier_system_are_known(brought: str, key: str) -> None:
    assert KNOWN_AS[brought][0] == key
