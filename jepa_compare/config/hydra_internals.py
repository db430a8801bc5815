"""All that is used of Hydra's private API, and why each is needed. Written against Hydra 1.3.

- `get_args_parser`: Hydra's command line has no public parser, and a sweep is composed and checked
  before Hydra sees it.
- `_run_hydra`: `hydra.main` takes its overrides from `sys.argv` alone; a sweep that was given no
  name gets one here, which every process must agree on.
- `create_config_search_path`, `Hydra.create_main_hydra2`: `hydra.initialize_config_dir` knows one
  directory, `--config-dir` is a second one.
- `Hydra.compose_config`, `Callbacks`: a launcher is built by a sweeper; a study has its jobs
  launched stage by stage, of which no sweeper of Hydra's knows.
- `BasicSweeper.split_arguments`: the jobs that are checked must be those that Hydra will launch.
"""

import argparse
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra.version
from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra._internal.utils import _run_hydra, create_config_search_path, get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

from jepa_compare import __version__
from jepa_compare.checks import ConfigError

_VERSION_BASE = "1.3"


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Hydra's own options, ours, and overrides. Raises ConfigError for an option that neither has.

    `arguments`: without the program's name; None: those of this process.
    """
    parser = argparse.ArgumentParser(
        parents=[get_args_parser()], add_help=False, conflict_handler="resolve"
    )
    parser.add_argument("--version", action="version", version=f"jepa_compare {__version__}")
    parser.add_argument(
        "--dry-run", action="store_true", help="Check and list the runs, start none"
    )
    parsed, rest = parser.parse_known_args(arguments)
    unknown = next((argument for argument in rest if argument.startswith("-")), None)
    if unknown is not None:
        raise ConfigError(
            f"{unknown}: no such option; a value is set as key=value, without dashes:"
            " training.lr=1e-3 (--cfg job lists the keys)"
        )
    parsed.overrides += rest  # argparse takes those before an option, and leaves those after it
    return parsed


def run_command(
    args: argparse.Namespace, conf: Path, name: str, task: Callable[[DictConfig], None]
) -> None:
    """What `hydra.main` does with its command line, with the overrides that `args` has now."""
    hydra.version.setbase(_VERSION_BASE)
    _run_hydra(
        args=args,
        args_parser=get_args_parser(),
        task_function=task,
        config_path=str(conf),
        config_name=name,
    )


def launch_jobs(
    args: argparse.Namespace,
    conf: Path,
    name: str,
    task: Callable[[DictConfig], None],
    jobs: Sequence[Sequence[str]],
) -> None:
    """Have the launcher that `args` choose run jobs, a list of overrides each."""
    with composition(conf, args.config_dir):
        own = GlobalHydra.instance().hydra
        assert own is not None
        config = own.compose_config(
            name, list(args.overrides), RunMode.MULTIRUN, with_log_configuration=True
        )
        context = HydraContext(config_loader=own.config_loader, callbacks=Callbacks(config))
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=context, task_function=task, config=config
        )
        launcher.launch(jobs, initial_job_idx=0)


@contextmanager
def composition(conf: Path, config_dir: str | None) -> Iterator[None]:
    """Hydra's compose API, pointed at `conf` and --config-dir; leaves no global state."""
    hydra.version.setbase(_VERSION_BASE)
    GlobalHydra.instance().clear()
    search_path = create_config_search_path(str(conf))
    if config_dir is not None:
        search_path.append(
            "command-line",
            f"file://{os.path.abspath(config_dir)}",
            anchor=SearchPathQuery("main", None),
        )
    try:
        Hydra.create_main_hydra2(task_name="train", config_search_path=search_path)
        yield
    finally:
        GlobalHydra.instance().clear()


def expand(overrides: Sequence[str], sweeper_params: Mapping[str, Any]) -> list[list[str]]:
    """The override lists of a sweep's jobs, as Hydra's basic sweeper makes them."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    swept = [f"{key}={value}" for key, value in sweeper_params.items()]  # as the sweeper has them
    parsed = OverridesParser.create().parse_overrides([*swept, *overrides])
    return [job for batch in BasicSweeper.split_arguments(parsed, None) for job in batch]
