"""Names from papers lead to arguments that exist."""

import pytest
from omegaconf import OmegaConf

from jepa_compare.config.compose import CONF_DIR
from jepa_compare.losses.synonyms import KNOWN_AS

ARGUMENTS = {
    str(name) for path in (CONF_DIR / "aux_loss").glob("*.yaml") for name in OmegaConf.load(path)
}


@pytest.mark.parametrize("brought", KNOWN_AS)
def test_every_synonym_leads_to_arguments_of_shipped_losses(brought: str) -> None:
    assert KNOWN_AS[brought]
    assert set(KNOWN_AS[brought]) <= ARGUMENTS
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
