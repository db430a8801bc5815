"""Every option of `conf/` composes, and Hydra's own commands are quick and complete."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jepa_compare import build
from jepa_compare.config.compose import CONF_DIR
from jepa_compare.sweep.plan import parse_command_line
from tests.support.runs import config_of

GROUPS = ("aux_loss", "helper", "model", "data", "training", "evaluation", "tracking", "experiment")


OPTIONS = [
    (group, path.stem) for group in GROUPS for path in sorted((CONF_DIR / group).glob("*.yaml"))
]


# Some options fit only their own companions; the presets name them.
NEEDS = {
    ("experiment", "main_table"): ["hydra.sweeper.params=null"],
    ("data", "two_rooms_random_wall_held_out"): ["model=impala_gru", "evaluation=random_wall"],
    ("data", "two_rooms_random_wall"): ["model=impala_gru", "evaluation=random_wall"],
    ("model", "impala_gru"): ["data=two_rooms_random_wall", "evaluation=random_wall"],
    ("evaluation", "random_wall"): ["data=two_rooms_random_wall", "model=impala_gru"],
    ("evaluation", "random_wall_cem"): ["data=two_rooms_random_wall", "model=impala_gru"],
}


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

    assert targets(job.identity.config) == [
        ".aux_loss",
        ".helper.inverse_dynamics",
        ".helper.temporal_similarity",
        ".model.encoder",
        ".model.predictor",
        ".data",
        ".evaluation.measures.collapse",
        ".evaluation.measures.probe",
        ".evaluation.measures.rollout",
        ".evaluation.measures.planning",
    ]


def test_help_imports_no_torch_and_names_the_groups() -> None:
    script = (
        "import sys; sys.argv = ['train', '--help']\n"
        "import jepa_compare.sweep.commands.train as entry\n"
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
