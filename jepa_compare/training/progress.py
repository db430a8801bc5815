"""What a person sees while a run goes on: a live bar on a terminal, plain lines elsewhere."""

import logging
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from jepa_compare.system.progress import logs_above_bar

log = logging.getLogger(__name__)
PLAIN_SECONDS = 10.0
# In the order in which they are shown: the objective first, then what warns of a collapse.
SHOWN = ("train/loss", "train/prediction", "aux/", "helper/", "eval/spread", "eval/rankme")
_BAR, _TIME = 20, 7  # characters; of the time "1:23:45"


class RunProgress:
    """Progress of one run; a bar if stderr is a terminal, else a line every ten seconds."""

    def __init__(self, name: str, steps: int, step: int, console: Console | None = None) -> None:
        self._name, self._steps = name, steps
        self._shown: dict[str, float] = {}
        self._last = time.monotonic()
        self._bar: Progress | None = None
        self._open = ExitStack()
        console = Console(stderr=True) if console is None else console
        if console.is_terminal:

            def whole() -> Column:
                return Column(no_wrap=True)

            self._bar = Progress(
                TextColumn("{task.description}", table_column=whole(), markup=False),
                BarColumn(bar_width=_BAR, table_column=whole()),
                MofNCompleteColumn(table_column=whole()),
                TimeRemainingColumn(compact=True, table_column=whole()),
                TextColumn("{task.fields[terms]}", table_column=whole(), markup=False),
                console=console,
                redirect_stdout=sys.stdout.isatty(),  # else it is a file, and what goes there stays
            )
            self._task = self._bar.add_task(name, total=steps, completed=step, terms="")

    def __enter__(self) -> "RunProgress":
        if self._bar is not None:
            self._open.enter_context(self._bar)
            self._open.enter_context(logs_above_bar())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def update(self, step: int, row: Mapping[str, float] | None = None) -> None:
        """`step` steps are done; `row` is what was logged there, if anything was."""
        if row is not None:
            chosen = [key for prefix in SHOWN for key in row if key.startswith(prefix)]
            self._shown.update({key: row[key] for key in chosen})
        terms = [f"{key.split('/')[1]} {value:.3g}" for key, value in self._shown.items()]
        if self._bar is not None:
            self._bar.update(self._task, completed=step, terms=self._fitting(terms))
        elif row is not None and time.monotonic() - self._last > PLAIN_SECONDS:
            self._last = time.monotonic()
            log.info("%s %d/%d %s", self._name, step, self._steps, " ".join(terms))

    def _fitting(self, terms: list[str]) -> str:
        """As many terms as there is room for beside the bar, which rich would cut for them."""
        assert self._bar is not None
        taken = len(self._name) + _BAR + 2 * len(f"{self._steps}") + 1 + _TIME + 4  # gaps
        room = self._bar.console.width - taken
        text = ""
        for term in terms:
            longer = f"{text} {term}".strip()
            if len(longer) > room:
                break
            text = longer
        return text
