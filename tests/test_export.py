"""Weights that are not the run's are refused; foreign code is imported only where it is trusted."""

import hashlib
import shutil
import sys
from pathlib import Path

import pytest

from jepa_compare import build, cli
from jepa_compare.checks import ConfigError
from jepa_compare.export import NoSuchRun, check_digest, load_config, load_run
from jepa_compare.runs import layout
from jepa_compare.runs.codec import encode
from jepa_compare.sweep.commands import evaluate
from jepa_compare.sweep.commands.evaluate import settings_with
from jepa_compare.sweep.run_job import main
from jepa_compare.system import files
from tests.support.runs import job, train

MARK = "raise RuntimeError('imported')\n"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("export") / "run"
    train(directory, "training.steps=2")
    return directory


@pytest.fixture
def foreign(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run whose config names code that complains when it is imported."""
    (tmp_path / "their_lab.py").write_text(MARK)
    monkeypatch.syspath_prepend(tmp_path)
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    identity = files.read_json(run / "config.json")
    identity["config"]["model"]["encoder"]["_target_"] = "their_lab.Encoder"
    files.write_json(run / "config.json", identity)
    return run


def test_weights_of_another_digest_are_refused(tmp_path: Path) -> None:
    check_digest(b"mine", hashlib.sha256(b"mine").hexdigest(), tmp_path)
    check_digest(b"mine", None, tmp_path)  # of an older version
    with pytest.raises(NoSuchRun, match="is not the one that this run wrote"):
        check_digest(b"mine", hashlib.sha256(b"theirs").hexdigest(), tmp_path)


def test_the_weights_of_another_run_are_refused(finished: Path, tmp_path: Path) -> None:
    run, other = Path(shutil.copytree(finished, tmp_path / "run")), tmp_path / "other"
    train(other, "training.steps=2", "seed=1")
    load_run(run)
    shutil.copy(other / layout.EXPORT, run / layout.EXPORT)
    with pytest.raises(NoSuchRun, match="is not the one that this run wrote"):
        load_run(run)


def test_foreign_code_is_not_imported_unless_trusted(
    foreign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=r"_target_=their_lab.Encoder is not .* --trust"):
        load_run(foreign)
    for call in (lambda: main(["--run", str(foreign)]), lambda: evaluate.main([str(foreign)])):
        with pytest.raises(SystemExit, match="2"):
            call()
        assert "say so with --trust" in capsys.readouterr().err
    assert cli.main(["reproduce", str(foreign)]) == 1
    assert "say so with --trust" in capsys.readouterr().err
    assert "their_lab" not in sys.modules
    with pytest.raises(ConfigError, match="RuntimeError: imported"):
        load_run(foreign, trust=True)
    with pytest.raises(SystemExit, match="2"):
        evaluate.main([str(foreign), "--trust", "evaluation.seed=9"])
    assert "RuntimeError: imported" in capsys.readouterr().err


def test_every_target_of_a_config_counts() -> None:
    assert build.foreign_targets(encode(job().identity)) == set()
    nested = {"a": [{"_target_": "theirs.X"}, {"_target_": "jepa_compare_evil.Y"}], "_target_": 3}
    assert build.foreign_targets(nested) == {"theirs.X", "jepa_compare_evil.Y", "3"}


def test_an_interpolation_in_a_stored_config_is_a_text(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_VALUE", "resolved")
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    identity = files.read_json(run / "config.json")
    text = r"\\${oc.env:MY_VALUE} and ${seed}"
    identity["config"]["data"]["note"] = text
    measure = {"_target_": "jepa_compare.X", "note": text}
    identity["config"]["evaluation"]["measures"]["mine"] = measure
    files.write_json(run / "config.json", identity)
    config = load_config(run)
    assert config.data["note"] == text
    assert settings_with(config, ["evaluation.seed=3"]).measures["mine"] == measure
