"""Every mistake of a command line is one clear line, before it costs anything."""

import re

import pytest

from jepa_compare import __version__
from jepa_compare.checks import ConfigError
from jepa_compare.config.hydra_internals import parse_arguments
from jepa_compare.sweep.commands.train import check_options
from jepa_compare.sweep.plan import parse_command_line


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("training.lrr=1", "training.lrr: unknown key (did you mean 'lr'?)"),
        ("+training.typo=1", "training.typo: unknown key"),
        ("+typo=1", "typo: unknown key"),
        ("aux_los=vicreg", "aux_los: unknown key (did you mean 'aux_loss'?)"),
        ("aux_loss=vicregg", "aux_loss=vicregg: no such option (did you mean 'vicreg'?)"),
        ("training.lr=abc", "training.lr=abc: Value 'abc' of type 'str'"),
        ("training.lr=-1", "training.lr=-1.0: must be above 0"),
        ("training.steps=1.5", "training.steps=1.5: Value '1.5' of type 'float'"),
        ("training.batch_size=0", "training.batch_size=0: must be at least 2"),
        ("training.rollout_steps=8", "training.rollout_steps=8: must be at most"),
        ("training.warmup_steps=601", "training.warmup_steps=601: must be between 0 and"),
        ("training.on_collapse=stopp", "must be one of warn, stop (did you mean 'stop'?)"),
        ("training.lr=[1", "training.lr=[1: is not of the form key=value"),
        ("model.dim=1", "model.dim=1: must be at least 2"),
        ("+helper.mine=1", "helper.mine=1: must be a node with `_target_` and `weight`"),
        ("aux_loss.weight=-1", "aux_loss.weight=-1: must be a number of at least 0"),
        ("aux_loss.weight=true", "aux_loss.weight=True: must be a number"),
        ("aux_loss.target=own", "aux_loss.target=own: must be one of shared, stop_grad, ema"),
        ("aux_loss.target_decay=2", "aux_loss.target_decay=2: must be between 0 and 1"),
        (
            "aux_loss.final_target_decay=2",
            "aux_loss.final_target_decay=2: must be null or between 0 and 1",
        ),
        ("evaluation.planning.tasks=0", "evaluation.planning.tasks=0: must be at least 1"),
        ("tracking.mode=on", "tracking.mode=on: must be one of auto, online"),
        ("device=gpu", "device=gpu: must be one of auto, cpu, cuda, cuda:<index>"),
        ("seed=-1", "seed=-1: must be at least 0"),
        ("sweep=a/b", "sweep=a/b: must be a directory name"),
        ("aux_loss=vicreg,", "aux_loss=vicreg,: ends in a comma; values are listed without spaces"),
        ("dino", "dino: is not of the form key=value"),
        ("model.encoder=resnet18", "model.encoder=resnet18: is not one value; set model.encoder."),
        ("hydra/launcher=joblib", "no such option: pip install hydra-joblib-launcher; there is"),
        ("hydra/launcher=submitit", "no such option (did you mean 'submitit_slurm'?); there is"),
        ("hydra/launcher=submitit_slurm", "no such option: pip install hydra-submitit-launcher"),
        ("hydra/sweeper=optuna", "no such option: pip install hydra-optuna-sweeper; there is"),
    ],
)
def test_mistakes_are_one_line_with_key_value_and_what_is_allowed(
    override: str, expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_command_line(["seed=0,1", override], multirun=True)
    message = str(caught.value)
    assert expected in message
    assert "\n" not in message


def test_of_several_jobs_the_error_names_the_one() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_command_line(["aux_loss=vicreg,dino", "aux_loss.cov_coeff=0.2"], multirun=True)
    message = str(caught.value)
    assert "unknown key; there is name" in message
    assert "center_momentum" in message  # what dino has, not what vicreg has
    assert "(in the job aux_loss=dino)" in message


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["seed=0,1", "aux_loss=dino"], "seed: several values, which -m trains one after another"),
        (["experiment=main_table"], "experiment=main_table: describes a sweep over aux_loss, seed"),
    ],
)
def test_a_sweep_without_its_option_is_refused(overrides: list[str], expected: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(expected)) as caught:
        parse_command_line(overrides, multirun=False)
    assert "add -m" in str(caught.value) and "\n" not in str(caught.value)


def test_one_run_of_a_preset_that_describes_a_sweep_can_be_had() -> None:
    one = ["experiment=main_table", "hydra.sweeper.params=null"]
    (job,) = parse_command_line(one, multirun=False).jobs
    assert "horizon_15" in job.config.evaluation.measures
    assert len(parse_command_line(["experiment=main_table"], multirun=True).jobs) == 15


def test_values_before_an_option_are_values() -> None:
    parsed = parse_arguments(["aux_loss=vicreg", "-m", "training=smoke", "--dry-run", "seed=0,1"])
    assert parsed.overrides == ["aux_loss=vicreg", "training=smoke", "seed=0,1"]
    assert parsed.multirun and parsed.dry_run


def test_the_version_is_this_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        parse_arguments(["--version"])
    assert capsys.readouterr().out == f"jepa_compare {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--lr", "1e-3"], "--lr: no such option; a value is set as key=value"),
        (["--lr=1e-3", "-m"], "--lr=1e-3: no such option; a value is set as key=value"),
        (["--config-path", "mine"], "add your own YAML files with --config-dir DIR"),
        (["--config-name", "mine"], "add your own YAML files with --config-dir DIR"),
        (["--config-dir", "/nowhere"], "--config-dir /nowhere: no such directory"),
    ],
)
def test_options_that_there_are_not_are_refused(arguments: list[str], expected: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(expected)):
        check_options(parse_arguments(arguments))
