"""Parts from a package of the user's own join a run and a sweep without a change here."""

from pathlib import Path

import pytest

from jepa_compare.export import load_run
from tests.support.package import make_package
from tests.support.runs import command, named_runs, rows, train


@pytest.mark.slow
def test_a_loss_from_elsewhere_joins_a_sweep(tmp_path: Path) -> None:
    make_package(tmp_path)
    search = "hydra.searchpath=[pkg://my_lab.conf]"
    result = command("-m", "aux_loss=none,l2", search, "sweep=theirs", cwd=tmp_path)
    runs = named_runs(tmp_path / "multirun" / "theirs")
    assert set(runs) == {"none_s0", "l2_s0"}
    assert "aux/norm" in rows(runs["l2_s0"])[0]
    assert "l2" in result.stdout


def test_a_predictor_and_a_helper_term_from_elsewhere_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_package(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    train(
        tmp_path / "run",
        "model.predictor._target_=my_lab.parts.LinearStep",
        "+model.predictor.bias=false",
        "~model.predictor.hidden_dim",
        "~model.predictor.action_embedding_dim",
        "+helper.small={_target_:my_lab.parts.Small,weight:0.1,power:2.0}",
    )
    assert "helper/small" in rows(tmp_path / "run")[0]
    _, predictor = load_run(tmp_path / "run", trust=True)
    assert type(predictor).__name__ == "LinearStep"
