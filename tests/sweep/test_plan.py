"""The jobs of a command line."""

from pathlib import Path

import pytest

from jepa_compare.checks import ConfigError
from jepa_compare.sweep.plan import parse_command_line
from jepa_compare.sweep.processes import ProcessSettings
from tests.support.runs import hash_of


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
    assert len({job.identity.hash for job in command.jobs}) == 15


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("hydra.launcher.n_jobs=0", "hydra.launcher.n_jobs=0: must be at least 1"),
        ("hydra.launcher.n_jobs=two", "hydra.launcher.n_jobs=two: must be of type int | None"),
        ("hydra.launcher.jobs_per_gpu=0", "hydra.launcher.jobs_per_gpu=0: must be at least 1"),
        ("+hydra.launcher.jobs=2", "hydra.launcher.jobs: unknown key (did you mean 'n_jobs'?)"),
        ("hydra.sweeper._target_=lab.Sweeper", "works with hydra/sweeper=basic or tune alone"),
    ],
)
def test_what_the_process_launcher_cannot_do_is_one_line(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_command_line(["hydra/launcher=process", override], multirun=True)
    assert message in str(caught.value)


def test_only_a_sweep_with_the_process_launcher_gets_processes() -> None:
    process = ["hydra/launcher=process", "hydra.launcher.n_jobs=3"]
    settings = parse_command_line(process, multirun=True).processes
    assert settings == ProcessSettings(n_jobs=3, jobs_per_gpu=1, job_timeout=None)
    assert parse_command_line(process, multirun=False).processes is None
    assert parse_command_line([], multirun=True).processes is None
    command = parse_command_line(["hydra.mode=MULTIRUN", "seed=0,1"], multirun=False)
    assert command.multirun and len(command.jobs) == 2
