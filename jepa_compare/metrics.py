"""What each metric is called, which direction is better, and whether it may rank methods.

Only downstream metrics rank: what a user of the latents gets out of them, in units that do not
depend on the loss. The rest are diagnostics; some of them reward collapse.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

PRIMARY = "eval/success_detour"
PREFIX = "eval/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One column."""

    key: str
    """As in the run directory, with "eval/"."""
    label: str
    """For people: "detour success"."""
    unit: str
    """"px", or "" for a rate or a ratio."""
    better: Literal["higher", "lower"] | None
    """None: neither direction is better."""
    downstream: bool
    """Whether rows may be ranked by it."""
    about: str
    """One sentence for the legend."""
    decimals: int = 2

    @property
    def name(self) -> str:
        """The key without its prefix, as `--metric` takes it."""
        return self.key.removeprefix(PREFIX)

    @property
    def is_success(self) -> bool:
        """Whether it is a rate over planning tasks."""
        return self.name.startswith("success_")

    def text(self, value: float, *, signed: bool = False) -> str:
        """`value` for a table: "0.95", "+0.12"; a dash when it is missing."""
        if not math.isfinite(value):
            return "-" if math.isnan(value) else str(value)
        rounded = round(value, self.decimals) + 0.0  # + 0.0 turns -0.0 into 0.0
        return f"{rounded:{'+' if signed else ''}.{self.decimals}f}"


_Rule = tuple[str, str, str, Literal["higher", "lower"] | None, bool, str, int]

# Key pattern, label, unit, better, downstream, about, decimals; in the order of a table's columns.
_RULES: tuple[_Rule, ...] = (
    (
        r"success_([a-z0-9]+)(?:_(\w+))?",
        "{0} success",
        "",
        "higher",
        True,
        "share of planning tasks of this kind that were solved",
        2,
    ),
    (
        r"probe_rmse",
        "probe RMSE",
        "px",
        "lower",
        True,
        "error of the state read off the latents by a ridge probe",
        2,
    ),
    (
        r"rollout_rmse_(\d+)",
        "{0}-step RMSE",
        "px",
        "lower",
        True,
        "error of the state decoded after so many predicted steps",
        2,
    ),
    (
        r"probe_r2",
        "probe R²",
        "",
        "higher",
        True,
        "share of the state's variance that the probe explains",
        3,
    ),
    (
        r"probe_r2_set_(\d+)",
        "probe R² on set {0}",
        "",
        "higher",
        False,
        "the same on one held-out set, which is what the status of a run reads",
        3,
    ),
    (
        r"distance_(\w+)",
        "{0} distance",
        "px",
        "lower",
        False,
        "mean distance to the goal at the end of an episode",
        1,
    ),
    (
        r"steps_(\w+)",
        "{0} steps",
        "",
        "lower",
        False,
        "mean steps of the solved tasks; other methods solve other tasks",
        1,
    ),
    (
        r"rollout_relative_(\d+)",
        "{0}-step relative error",
        "",
        "lower",
        False,
        "latent error relative to copying the last latent; not comparable between losses",
        3,
    ),
    (
        r"spread",
        "spread",
        "",
        None,
        False,
        "√(tr Cov(z) / E|z|²): near 0 all latents are the same",
        3,
    ),
    (r"feature_std", "feature std", "", None, False, "mean standard deviation of a latent unit", 3),
    (
        r"rankme",
        "RankMe",
        "",
        None,
        False,
        "effective rank by entropy; scale-free, so high for collapsed encoders too",
        1,
    ),
    (
        r"participation_ratio",
        "participation ratio",
        "",
        None,
        False,
        "effective rank by variance",
        1,
    ),
    (r"alpha_req", "alpha-ReQ", "", None, False, "decay exponent of the latent spectrum", 2),
    (r"lidar", "LiDAR", "", None, False, "effective rank of what tells trajectories apart", 1),
)
_FIRST_KINDS = ("detour", "door", "same")


def describe(key: str) -> Metric:
    """The metric behind a key; an unknown one is a diagnostic without a direction."""
    name = key.removeprefix(PREFIX)
    for pattern, label, unit, better, downstream, about, decimals in _RULES:
        found = re.fullmatch(pattern, name)
        if found is None:
            continue
        groups = [group for group in found.groups() if group is not None]
        text = label.format(*(group.replace("_", " ") for group in groups))
        if len(groups) == 2:
            text += f" ({groups[1].replace('_', ' ')})"
            about += f", by the criterion {groups[1]}"
        return Metric(
            key=key,
            label=text,
            unit=unit,
            better=better,
            downstream=downstream,
            about=about,
            decimals=decimals,
        )
    return Metric(
        key=key,
        label=name,
        unit="",
        better=None,
        downstream=False,
        about="not a metric that this version knows",
        decimals=3,
    )


def in_order(keys: Iterable[str]) -> tuple[Metric, ...]:
    """The metrics behind `keys`, each once, in the order of a table's columns."""

    def place(metric: Metric) -> tuple[int, int, int, str]:
        rule = next(
            (i for i, rule in enumerate(_RULES) if re.fullmatch(rule[0], metric.name)), len(_RULES)
        )
        digits = re.search(r"_(\d+)$", metric.name)
        kind = metric.name.partition("_")[2]
        first = _FIRST_KINDS.index(kind) if kind in _FIRST_KINDS else len(_FIRST_KINDS)
        return rule, first, int(digits.group(1)) if digits else 0, metric.name

    return tuple(sorted((describe(key) for key in set(keys)), key=place))


def find(name: str, present: Iterable[Metric]) -> Metric:
    """The metric called `name`: its key, its key without "eval/", or its label.

    Raises ValueError, in one line with the known names, when there is no such metric in the runs.
    """
    metrics = tuple(present)
    for metric in metrics:
        if name in (metric.key, metric.name, metric.label):
            return metric
    known = ", ".join(metric.name for metric in metrics) or "none at all"
    raise ValueError(f"metric={name}: no run has it; known here: {known}")
