"""Every command line is understood before it costs anything; every mistake is one clear line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jepa_compare import build
from jepa_compare.checks import ConfigError
from jepa_compare.config.compose import CONF_DIR
from jepa_compare.config.schema import Config
from jepa_compare.sweep.plan import parse_command_line

GROUPS = ("aux_loss", "helper", "model", "data", "training", "evaluation", "tracking", "experiment")
OPTIONS = [
    (group, path.stem) for group in GROUPS for path in sorted((CONF_DIR / group).glob("*.yaml"))
]

# Some options fit only their own companions; the presets name them.
NEEDS = {
    ("data", "two_rooms_random_wall_held_out"): ["model=impala_gru", "evaluation=random_wall"],
    ("data", "two_rooms_random_wall"): ["model=impala_gru", "evaluation=random_wall"],
    ("model", "impala_gru"): ["data=two_rooms_random_wall", "evaluation=random_wall"],
    ("evaluation", "random_wall"): ["data=two_rooms_random_wall", "model=impala_gru"],
    ("evaluation", "random_wall_cem"): ["data=two_rooms_random_wall", "model=impala_gru"],
}


def config_of(*overrides: str) -> Config:
    return parse_command_line(overrides, multirun=False).jobs[0].config


def hash_of(*overrides: str) -> str:
    job = parse_command_line(overrides, multirun=False).jobs[0]
    return job.identity["hash"]


@pytest.mark.parametrize(("group", "option"), OPTIONS, ids=lambda value: str(value))
def test_every_option_composes_and_can_be_built(group: str, option: str) -> None:
    build.check(config_of(f"{group}={option}", *NEEDS.get((group, option), [])))


def test_targets_are_only_where_user_code_plugs_in() -> None:
    job = parse_command_line(["experiment=two_rooms_random_wall"], multirun=False).jobs[0]

    def targets(node: object, path: str = "") -> list[str]:
        if not isinstance(node, dict):
            return []
        here = [path] if "_target_" in node else []
        return here + [t for key, item in node.items() for t in targets(item, f"{path}.{key}")]

    assert targets(job.identity["config"]) == [
        ".aux_loss",
        ".helper.inverse_dynamics",
        ".helper.temporal_similarity",
        ".model.encoder",
        ".model.predictor",
        ".data",
    ]


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
        ("evaluation.planning.tasks=0", "evaluation.planning.tasks=0: must be at least 1"),
        ("tracking.mode=on", "tracking.mode=on: must be one of auto, online"),
        ("device=gpu", "device=gpu: must be one of auto, cpu, cuda, cuda:<index>"),
        ("seed=-1", "seed=-1: must be at least 0"),
        ("sweep=a/b", "sweep=a/b: must be a directory name"),
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
    ],
)
def test_constructors_arguments_are_checked_before_a_run(override: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build.check(config_of("aux_loss=vicreg", override))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_alias_is_the_same_run() -> None:
    assert hash_of("aux_loss=barlow") == hash_of("aux_loss=barlow_twins")


def test_a_sweep_is_the_product_of_its_values_in_one_directory() -> None:
    command = parse_command_line(["aux_loss=vicreg,none", "seed=range(3)"], multirun=True)
    names = [job.directory.name.rsplit("_", 1)[0] for job in command.jobs]
    assert names == ["vicreg_s0", "vicreg_s1", "vicreg_s2", "none_s0", "none_s1", "none_s2"]
    assert len({job.directory.parent for job in command.jobs}) == 1
    assert command.overrides[-1] == f"sweep={command.jobs[0].directory.parent.name}"


def test_two_sweeps_of_one_second_do_not_share_a_directory() -> None:
    one, other = (parse_command_line([], multirun=True).jobs[0].directory.parent for _ in range(2))
    assert one != other


def test_a_named_sweep_has_the_same_directories_again() -> None:
    one, other = (
        [
            job.directory
            for job in parse_command_line(["sweep=mine", "seed=0,1"], multirun=True).jobs
        ]
        for _ in range(2)
    )
    assert one == other
    assert one[0].parent == Path("multirun/mine")


def test_a_presets_own_sweep_is_expanded() -> None:
    command = parse_command_line(["experiment=main_table"], multirun=True)
    assert len(command.jobs) == 15
    assert len({job.identity["hash"] for job in command.jobs}) == 15


def test_help_imports_no_torch_and_names_the_groups() -> None:
    script = (
        "import sys; sys.argv = ['train', '--help']\n"
        "import jepa_compare.sweep.entry as entry\n"
        "try: entry.main()\n"
        "finally: print('torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout.rstrip().endswith("False")
    for group in GROUPS:
        assert group in result.stdout


def test_tab_completion_of_the_console_script() -> None:
    script = Path(sys.executable).parent / "jepa-train"
    environment = os.environ | {"COMP_LINE": "jepa-train aux_loss=v", "COMP_POINT": "21"}
    result = subprocess.run(
        [script, "-sc", "query=bash"], capture_output=True, text=True, env=environment, check=True
    )
    assert "aux_loss=vicreg" in result.stdout.split()
