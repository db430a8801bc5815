"""A secret is refused before anything shows or stores it."""

import os
from pathlib import Path

import pytest

from jepa_compare.checks import ConfigError
from jepa_compare.config.secrets import is_secret
from jepa_compare.sweep.commands.evaluate import settings_in, settings_with
from tests.support.runs import command, job


def test_the_last_word_of_a_key_decides() -> None:
    for name in ("key", "data.api_key", "db.password", "hf-token", "WANDB_API_KEY", "a.b.Secret"):
        assert is_secret(name)
    for name in ("max_tokens", "tokens", "keyboard", "key_dim", "monkey", "secrets.path"):
        assert not is_secret(name)


@pytest.mark.parametrize(
    "override",
    [
        "+data.api_key=hunter2",
        "+data={api_key:hunter2}",
        "+aux_loss.nested={deep:{password:hunter2}}",
        "+data.token=hunter2,hunter3",
        "+data.secret=[hunter2]",
        "+hydra.job.env_set.WANDB_API_KEY=hunter2",
        "+data.api_key=${oc.env:MY_VALUE}",
        "+data.auth=${oc.env:HF_TOKEN}",
        "+data.auth=prefix${oc.env:HF_TOKEN,none}",
    ],
)
def test_a_secret_is_refused_without_its_value(
    monkeypatch: pytest.MonkeyPatch, override: str
) -> None:
    monkeypatch.setitem(os.environ, "HF_TOKEN", "hunter2")
    monkeypatch.setitem(os.environ, "MY_VALUE", "hunter2")
    with pytest.raises(ConfigError, match="read it from the environment") as caught:
        job(override)
    assert "hunter2" not in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_secret_is_taken() -> None:
    made = job("+data.api_key=null", "+data.max_tokens=8", "+data.token=''")
    assert made.config.data["max_tokens"] == 8


def test_an_evaluation_holds_none_either() -> None:
    mine = "+evaluation.measures.mine"
    with pytest.raises(
        ConfigError, match=r"evaluation.measures.mine.api_key: a value for a secret"
    ):
        settings_with(job().config, [f"{mine}._target_=my_lab.Mine", f"{mine}.api_key=hunter2"])
    with pytest.raises(
        ConfigError, match=r"evaluation.measures.mine.api_key: a value for a secret"
    ):
        settings_in('{"measures": {"mine": {"api_key": "hunter2"}}}')


def test_the_command_says_so_in_one_line_and_writes_nothing(tmp_path: Path) -> None:
    result = command("-m", "+data.api_key=hunter2", cwd=tmp_path, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("jepa_compare: data.api_key: a value for a secret")
    assert result.stderr.count("\n") == 1 and "hunter2" not in result.stderr + result.stdout
    assert not list(tmp_path.iterdir())
