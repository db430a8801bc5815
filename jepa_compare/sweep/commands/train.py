"""The command line: compose and check every job, have them run, compare what came out."""

import argparse
import functools
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from jepa_compare.checks import ConfigError, exit_with_error
from jepa_compare.config.compose import CONF_DIR, CONFIG_NAME, register
from jepa_compare.config.hydra_internals import launch_jobs, parse_arguments, run_command
from jepa_compare.runs.lock import Locked
from jepa_compare.runs.writer import read_config
from jepa_compare.sweep import forecast, preflight, processes
from jepa_compare.sweep.directory import name_the_difference, run_stages, sweep
from jepa_compare.sweep.job import Job
from jepa_compare.sweep.plan import job_of, parse_command_line
from jepa_compare.sweep.run_status import record_death
from jepa_compare.sweep.tuning.stages import describe
from jepa_compare.system.interrupts import Interrupted
from jepa_compare.system.terminal import escape_tracebacks, raise_printable

log = logging.getLogger(__name__)


def main() -> None:
    """Entry point of `python -m jepa_compare.train` and `jepa-train`."""
    escape_tracebacks()
    register()
    try:
        args = parse_arguments()
        check_options(args)
    except ConfigError as error:
        exit_with_error(str(error))
    if args.help or args.hydra_help or args.cfg or args.info or args.shell_completion:
        run_command(args, CONF_DIR, CONFIG_NAME, task)
        return
    try:
        command = parse_command_line(
            args.overrides, multirun=args.multirun, config_dir=args.config_dir
        )
        disk_bytes = preflight.check(command.jobs, dry=args.dry_run)
        if command.multirun or args.dry_run:
            at_once = 1
            if command.processes is not None:
                at_once = processes.jobs_at_once(command.jobs, command.processes)
            later: list[int] = []
            if command.study is not None:
                print(f"jepa_compare: {describe(command.study.study)}", file=sys.stderr)
                later = command.study.not_yet_planned(command.jobs)
            said = forecast.announcement(
                command.jobs, at_once=at_once, disk_bytes=disk_bytes, later=later
            )
            print(f"jepa_compare: {said}", file=sys.stderr)
        if args.dry_run:
            print(f"{forecast.rows(command.jobs)} rows")
            print(forecast.listing(command.jobs))
            return
        args.overrides = command.overrides
        if not command.multirun:
            name_the_difference(command.jobs[0], command.jobs)
        with sweep(command) if command.multirun else nullcontext():
            if command.processes is not None:
                from jepa_compare.sweep.run_job import log_to_console

                log_to_console()
            if command.study is not None:
                run_stages(command, functools.partial(_launch, args, command.processes))
            elif command.processes is not None:
                processes.launch(command.jobs, command.processes)
            else:
                run_command(args, CONF_DIR, CONFIG_NAME, task)
    except (ConfigError, Locked, OSError) as error:
        exit_with_error(str(error))
    except Interrupted as error:
        print(f"jepa_compare: {error}; the same command continues", file=sys.stderr)
        raise SystemExit(128 + error.signum) from None


def _launch(
    args: argparse.Namespace, settings: processes.ProcessSettings | None, jobs: Sequence[Job]
) -> None:
    """Run jobs of a study, whatever launcher was chosen."""
    if settings is not None:
        processes.launch(jobs, settings)
    else:
        lists = [job.identity.overrides for job in jobs]
        launch_jobs(args, CONF_DIR, CONFIG_NAME, task, lists)


def check_options(args: argparse.Namespace) -> None:
    """Raise ConfigError for options of Hydra's that ask for another application than this one."""
    if args.config_name is not None or args.config_path is not None:
        raise ConfigError(
            "--config-name, --config-path: the configuration is this package's; add your own YAML"
            " files with --config-dir DIR, and choose one with experiment=NAME"
        )
    if args.config_dir is not None and not Path(args.config_dir).is_dir():
        raise ConfigError(f"--config-dir {args.config_dir}: no such directory")


def task(cfg: DictConfig) -> None:
    """One job, in whatever process a launcher of Hydra's runs it."""
    # torch, only where there is a job
    from jepa_compare.sweep.run_job import NOT_STARTED, OutOfMemory, start

    settings = HydraConfig.get()
    directory, alone = Path(settings.runtime.output_dir), settings.mode == RunMode.RUN
    with_hydra = OmegaConf.merge({"hydra": settings}, cfg)
    assert isinstance(with_hydra, DictConfig)
    try:
        start(_announced(job_of(with_hydra, directory)))
    except NOT_STARTED as error:
        if alone:  # a sweep goes on, and lists it at its end
            exit_with_error(str(error))
        log.error("%s failed: %s", directory.name, error)
        record_death(directory, str(error), os.getpid())
    except Exception as error:
        if alone and isinstance(error, OutOfMemory):
            exit_with_error(str(error))
        if alone:
            raise_printable(error)
        log.exception("%s failed", directory.name)
        _let_go(error)


def _announced(job: Job) -> Job:
    """The job with what the sweep has said of it before it started."""
    stored = read_config(job.directory)
    if stored is None or stored.hash != job.identity.hash:
        return job
    return replace(job, identity=replace(job.identity, study=stored.study))


def _let_go(error: BaseException) -> None:
    """Free what a failed job held. Its trace and the exception refer to each other, and would keep
    the model and the GPU's memory until Python happens to collect them."""
    chain: BaseException | None = error
    while chain is not None:
        traceback.clear_frames(chain.__traceback__)
        chain = chain.__cause__ or chain.__context__
