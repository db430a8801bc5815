"""Weights & Biases, as a guest: it never prompts, blocks or fails a run."""

import contextlib
import logging
import netrc
import os
import re
import threading
import time
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from jepa_compare.config.schema import TrackingConfig
from jepa_compare.runs.identity import counts
from jepa_compare.runs.records import ConfigFile
from jepa_compare.system.interrupts import Interrupted, Interrupts

log = logging.getLogger(__name__)

FINISH_SECONDS = 60.0
EXIT_SECONDS = 3.0
"""Instead of the former for a run that was asked to leave."""
_POLL_SECONDS = 0.05


def _has_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urllib.parse.urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def row_name(identity: ConfigFile) -> str:
    """The loss and the settings that were typed: as a comparison names the run's row.

    Without the seed, so that the web UI averages the seeds of one name and nothing else.
    """
    parts = [identity.name]
    for override in identity.overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if key not in ("aux_loss", "seed") and counts(key, {}):
            parts.append(f"{key.rpartition('.')[2]}={value}" if value else override)
    return " · ".join(parts)


class Tracker:
    """One W&B run per job, grouped by sweep; a silent no-op once W&B has failed.

    The name is the row's (`row_name`). The id is a
    function of sweep and run, so that a resumed run goes on under the same one. `interrupts` of
    the run cut short what waits for a server.
    """

    def __init__(
        self,
        config: TrackingConfig,
        *,
        directory: Path,
        sweep: str,
        run_name: str,
        name: str,
        plain_config: Mapping[str, Any],
        interrupts: Interrupts | None = None,
    ) -> None:
        self._config = config
        self._interrupts = interrupts or Interrupts()
        self._arguments: dict[str, Any] = {
            "project": config.project,
            "entity": config.entity,
            "group": sweep,
            "name": name,
            "id": re.sub(r"[:;,#?/']", "_", f"{sweep}-{run_name}"[-120:]),  # W&B's own list
            "resume": "allow",
            "tags": list(config.tags),
            "dir": str(directory),
            "config": dict(plain_config),
        }
        self._run: Any = None

    def __enter__(self) -> "Tracker":
        mode = self._config.mode
        wished = os.environ.get("WANDB_MODE")
        if wished == "disabled" or (wished == "offline" and mode in ("auto", "online")):
            mode = wished
        if mode == "auto":
            mode = "online" if _has_key() else "offline"
        if mode == "online" and not _has_key():
            log.warning("no Weights & Biases key is set: tracking goes on offline")
            mode = "offline"
        if mode != "disabled":
            try:
                with self._interrupts.at_once():
                    self._run = self._start(mode)
            except Interrupted:
                _end_service_soon()
                raise
        return self

    def _start(self, mode: str) -> Any:
        # Its own telemetry waits, as the process ends, for a server that does not answer.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        try:
            import wandb
        except Exception as error:
            log.warning("Weights & Biases cannot be imported (%s): no tracking", error)
            return None
        for attempt in dict.fromkeys((mode, "offline")):
            settings = wandb.Settings(
                silent=True,
                console="off",
                x_disable_stats=True,
                disable_git=True,
                save_code=False,
                init_timeout=self._config.init_timeout,
            )
            try:
                return wandb.init(
                    mode=attempt,  # pyright: ignore[reportArgumentType]
                    settings=settings,
                    reinit="finish_previous",
                    **self._arguments,
                )
            except Exception as error:
                log.warning("Weights & Biases %s failed (%s)", attempt, str(error).split("\n")[0])
                with contextlib.suppress(Exception):
                    wandb.teardown(exit_code=1)  # or the id counts as in use
        return None

    def log(self, row: Mapping[str, Any], step: int) -> None:
        """Log one row of metrics."""
        if self._run is None:
            return
        try:
            self._run.log({key: value for key, value in row.items() if key != "step"}, step=step)
        except Exception as error:
            log.warning("Weights & Biases failed while logging (%s): no more tracking", error)
            self._run = None

    def summarise(self, summary: Mapping[str, Any]) -> None:
        """Set the run's final values."""
        if self._run is None:
            return
        try:
            self._run.summary.update(dict(summary))
        except Exception as error:
            log.warning("Weights & Biases failed at the summary (%s)", error)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._run is None:
            return
        # finish() waits for the upload, for ever if the server has gone: give it a minute.
        code = 0 if error is None else 1
        finishing = threading.Thread(target=self._finish, args=(code,), daemon=True)
        finishing.start()
        started, asked = time.monotonic(), False
        while finishing.is_alive():
            asked = isinstance(error, Interrupted) or self._interrupts.requested is not None
            if time.monotonic() - started >= (EXIT_SECONDS if asked else FINISH_SECONDS):
                break
            finishing.join(_POLL_SECONDS)
        if finishing.is_alive():
            log.warning(
                "Weights & Biases does not finish: its files are in %s, for 'wandb sync'",
                Path(self._arguments["dir"]) / "wandb",
            )
            if asked:
                _end_service_soon()

    def _finish(self, code: int) -> None:
        try:
            self._run.finish(exit_code=code)
        except Exception as failure:
            log.warning("Weights & Biases failed at the end (%s)", failure)


def _end_service_soon() -> None:
    """For a process that was asked to leave: as it ends, W&B waits for its service, which waits
    for the server as long as it likes (17 s where that is silent), and has no setting for it."""

    def end() -> None:
        with contextlib.suppress(Exception):  # private: another version waits as long as it likes
            from wandb.sdk import wandb_setup

            wandb_setup._singleton._connection._proc._process.kill()  # pyright: ignore

    timer = threading.Timer(EXIT_SECONDS, end)
    timer.daemon = True
    timer.start()
