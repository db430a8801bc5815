"""Telling losses apart that call themselves the same.

conf/aux_loss/vicreg.yaml and vicreg_context.yaml are both named vicreg: one loss in two recipes. A
sweep over both varies the recipe on purpose, so each is a loss of its own in the tables, called by
its option. barlow.yaml is another spelling of barlow_twins.yaml: the same loss, one row.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from jepa_compare.comparison.runs import Run, Value

LOSS = "aux_loss"
LOSS_KEYS = (LOSS, f"{LOSS}.name")
"""The keys of a row that are the loss itself."""


def with_losses(runs: Sequence[Run]) -> list[Run]:
    """The same runs, with `variant` set where one name stands for several losses.

    Two options of one name are different losses if a setting of the loss that no command line
    wrote always differs between their runs.
    """
    settings: dict[str, dict[str, dict[str, set[Value]]]] = defaultdict(dict)  # name, option, key
    for run in runs:
        option = settings[run.name].setdefault(_option(run), defaultdict(set))
        written = {override.partition("=")[0].lstrip("+~") for override in run.overrides}
        for key, value in run.config.items():
            if key.startswith(f"{LOSS}.") and key not in written:
                option[key].add(value)
    several = {
        name
        for name, options in settings.items()
        if any(
            not (one[key] & other[key])
            for one in options.values()
            for other in options.values()
            for key in one.keys() & other.keys()
        )
    }
    return [replace(run, variant=_option(run)) if run.name in several else run for run in runs]


def _option(run: Run) -> str:
    return run.choices.get(LOSS, run.name)
