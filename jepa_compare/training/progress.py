"""What a person sees while a run goes on: a live bar on a terminal, plain lines elsewhere."""

import logging
import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

log = logging.getLogger(__name__)
PLAIN_SECONDS = 10.0
# In the order in which they are shown: the objective first, then what warns of a collapse.
SHOWN = ("train/loss", "train/prediction", "aux/", "helper/", "eval/spread", "eval/rankme")


class RunProgress:
    """Progress of one run; a bar if stderr is a terminal, else a line every ten seconds."""

    def __init__(self, name: str, steps: int, step: int) -> None:
        self._name, self._steps = name, steps
        self._shown: dict[str, float] = {}
        self._last = time.monotonic()
        self._bar: Progress | None = None
        console = Console(stderr=True)
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TimeRemainingColumn(compact=True),
                TextColumn("{task.fields[terms]}"),
                console=console,
            )
            self._task = self._bar.add_task(name, total=steps, completed=step, terms="")

    def __enter__(self) -> "RunProgress":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, step: int, row: Mapping[str, float] | None = None) -> None:
        """`step` steps are done; `row` is what was logged there, if anything was."""
        if row is not None:
            chosen = [key for prefix in SHOWN for key in row if key.startswith(prefix)]
            self._shown.update({key: row[key] for key in chosen})
        terms = " ".join(f"{key.split('/')[1]} {value:.3g}" for key, value in self._shown.items())
        if self._bar is not None:
            self._bar.update(self._task, completed=step, terms=terms)
        elif row is not None and time.monotonic() - self._last > PLAIN_SECONDS:
            self._last = time.monotonic()
            log.info("%s %d/%d %s", self._name, step, self._steps, terms)
