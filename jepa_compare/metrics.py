"""What a metric is (label, unit, direction, range); shared thresholds.

A user's own measure brings descriptions of its metrics, which travel with the evaluations on disk.

Only downstream metrics rank methods: what a user of the latents gets out of them, in units that do
not depend on the loss. The rest are diagnostics; some of them reward collapse.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal

PREFIX = "eval/"
PRIMARY = "eval/success_detour"
SPREAD = "eval/spread"
PROBE_SET = "eval/probe_r2_set_"  # and the number of the held-out set

COLLAPSED_SPREAD = 0.02
"""In the worlds here: collapsed encoders end at .004 to .007, those that only an EMA target holds
up at .02 to .08, those with a loss against collapse at .19 to .98; untrained ones are at .21 to
.35."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One column. Raises ValueError for a description that no table could show."""

    key: str
    """As in the run directory, with "eval/"."""
    label: str
    """For people: "detour success"."""
    unit: str = ""
    """"px", or "" for a rate or a ratio."""
    better: Literal["higher", "lower"] | None = None
    """None: neither direction is better."""
    downstream: bool = False
    """Whether rows may be ranked by it."""
    low: float | None = None
    """Smallest possible value; None: there is none."""
    high: float | None = None
    """Largest possible value."""
    about: str
    """One sentence for the legend."""
    decimals: int = 2

    def __post_init__(self) -> None:
        if not (self.key.startswith(PREFIX) and self.label and 0 <= self.decimals <= 9):
            raise ValueError(
                f"metric {self.key}: must be {PREFIX}..., with a label and 0-9 decimals"
            )
        if self.better not in ("higher", "lower", *([] if self.downstream else [None])):
            raise ValueError(f"{self.key}: better={self.better}: a downstream metric needs one")

    @property
    def name(self) -> str:
        """The key without its prefix, as `--metric` takes it."""
        return self.key.removeprefix(PREFIX)

    @property
    def is_success(self) -> bool:
        """Whether it is a rate over planning tasks."""
        return _measure_and_name(self.key)[1].startswith("success_")

    @property
    def tasks(self) -> str | None:
        """The rows that a success rate is the mean of: "detour", "horizon_15/detour"."""
        return self.name.replace("success_", "", 1) if self.is_success else None

    def allows(self, value: float) -> bool:
        """Whether a measurement can have this value; NaN is a missing one."""
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        return math.isnan(value) or low <= value <= high

    def text(self, value: float, *, signed: bool = False) -> str:
        """`value` for a table: "0.95", "+0.12"; a dash when it is missing."""
        if not math.isfinite(value):
            return "-" if math.isnan(value) else str(value)
        rounded = round(value, self.decimals) + 0.0  # + 0.0 turns -0.0 into 0.0
        return f"{rounded:{'+' if signed else ''}.{self.decimals}f}"

    def description(self) -> dict[str, Any]:
        """Everything but the key, as an evaluation on disk holds it under the key."""
        return {name: value for name, value in asdict(self).items() if name != "key"}


_rate = partial(Metric, better="higher", downstream=True, low=0.0, high=1.0)
_error = partial(Metric, unit="{unit}", better="lower", low=0.0)  # in the unit of the labels
_ratio = partial(Metric, low=0.0, decimals=3)
_rank = partial(Metric, low=0.0, decimals=1)

# In the order of a table's columns. {k}, {kind} and {rest} stand for what a key has there.
_BUILT_IN = (
    _rate(
        key="eval/success_detour",
        label="detour success",
        about="share of planning tasks solved that the straight line to the goal fails; it measures"
        " how the latent metric bends around walls under this planner, not what the latents know",
    ),
    _rate(
        key="eval/success_{kind}",
        label="{kind} success",
        about="share of planning tasks of this kind that were solved",
    ),
    _rate(
        key="eval/success_{kind}_{rest}",
        label="{kind} success ({rest})",
        about="share of planning tasks of this kind that were solved, by the criterion {rest}",
    ),
    _error(
        key="eval/probe_rmse",
        label="probe RMSE",
        downstream=True,
        about="error of the state read off the latents by a ridge probe",
    ),
    _error(
        key="eval/rollout_rmse_{k}",
        label="{k}-step RMSE",
        downstream=True,
        about="error of the state decoded after so many predicted steps",
    ),
    Metric(
        key="eval/probe_r2",
        label="probe R²",
        better="higher",
        downstream=True,
        high=1.0,
        about="share of the state's variance that the probe explains",
        decimals=3,
    ),
    Metric(
        key="eval/probe_r2_set_{k}",
        label="probe R² on set {k}",
        better="higher",
        high=1.0,
        about="the same on one held-out set, which is what the status of a run reads",
        decimals=3,
    ),
    _error(
        key="eval/distance_{rest}",
        label="{rest} distance",
        about="mean distance to the goal when a task was decided: reached, or at the end",
        decimals=1,
    ),
    _error(
        key="eval/steps_{rest}",
        label="{rest} steps",
        unit="",
        about="mean steps of the solved tasks; other methods solve other tasks",
        decimals=1,
    ),
    _ratio(
        key="eval/rollout_relative_{k}",
        label="{k}-step relative error",
        better="lower",
        about="latent error relative to copying the last latent; not comparable between losses",
    ),
    _ratio(
        key="eval/spread",
        label="spread",
        about="√(tr Cov(z) / E|z|²): near 0 all latents are the same",
    ),
    _ratio(
        key="eval/feature_std",
        label="feature std",
        about="mean standard deviation of a latent unit",
    ),
    _rank(
        key="eval/rankme",
        label="RankMe",
        about="effective rank by entropy; scale-free, so high for collapsed encoders too",
    ),
    _rank(
        key="eval/participation_ratio",
        label="participation ratio",
        about="effective rank by variance",
    ),
    Metric(key="eval/alpha_req", label="alpha-ReQ", about="decay exponent of the latent spectrum"),
    _rank(key="eval/lidar", label="LiDAR", about="effective rank of what tells trajectories apart"),
)
_PLACEHOLDERS = {"{k}": r"(?P<k>\d+)", "{kind}": "(?P<kind>[a-z0-9]+)", "{rest}": r"(?P<rest>\w+)"}
_OF_PLANNING = tuple(PREFIX + name for name in ("success_", "distance_", "steps_"))
SHIPPED_KINDS = ("detour", "door", "same")  # of planning tasks


def describe(key: str, unit: str = "") -> Metric:
    """The built-in metric behind a key, where `unit` is that of the source's labels; an unknown one
    is a diagnostic without a direction."""
    rule, parts = _rule(key)
    measure, name = _measure_and_name(key)
    if rule is not None and measure:  # the same with another planner
        metric = describe(PREFIX + name, unit)
        about = f"{metric.about}; by evaluation.measures.{measure}"
        label = f"{metric.label} ({measure.replace('_', ' ')})"
        return replace(metric, key=key, label=label, about=about)
    if rule is None:
        return Metric(key=key, label=key.removeprefix(PREFIX), about="not described", decimals=3)
    named = ("label", "unit", "about")
    texts = {name: getattr(rule, name).format(**parts, unit=unit) for name in named}
    return replace(rule, key=key, **texts)


def is_built_in(key: str) -> bool:
    """Whether the code describes this metric."""
    return _rule(key)[0] is not None


def described(metric: Metric) -> Metric:
    """The description that counts: the code's for a built-in metric, in the unit that `metric` has.

    Raises ValueError if the two contradict each other.
    """
    if not is_built_in(metric.key):
        return metric
    ours = describe(metric.key, metric.unit)
    # A later version may word a legend anew, or round in another way.
    if replace(metric, about=ours.about, decimals=ours.decimals) != ours:
        raise ValueError(f"{metric.key} is built in, {_difference(metric, ours)} in the code")
    return ours


def agree(evaluations: Sequence[Mapping[str, Metric]]) -> tuple[dict[str, Metric], dict[int, str]]:
    """The description of each key that most evaluations carry (of a tie the first), and why an
    evaluation, by its place, is refused: it describes a key in another way."""
    counts: dict[str, Counter[Metric]] = {}
    for metrics in evaluations:
        for key, metric in metrics.items():
            counts.setdefault(key, Counter())[metric] += 1
    catalogue = {key: counted.most_common(1)[0][0] for key, counted in counts.items()}
    refused = {}
    for place, metrics in enumerate(evaluations):
        key = next((key for key, metric in metrics.items() if metric != catalogue[key]), None)
        if key is not None:
            refused[place] = f"{key}: {_difference(metrics[key], catalogue[key])} in other runs"
    return catalogue, refused


def _difference(metric: Metric, other: Metric) -> str:
    """Of two descriptions of one key."""
    here, there = metric.description(), other.description()
    field = next(name for name in here if here[name] != there[name])
    return f"described with {field}={here[field]!r} here and {there[field]!r}"


def in_order(
    keys: Iterable[str], catalogue: Mapping[str, Metric] | None = None
) -> tuple[Metric, ...]:
    """The metrics behind `keys`, each once, in the order of a table's columns; described by the
    `catalogue` of `agree` where it has them."""

    def place(metric: Metric) -> tuple[int, int, int, str]:
        rule, parts = _rule(metric.key)
        kind = metric.name.partition("_")[2]
        return (
            len(_BUILT_IN) if rule is None else _BUILT_IN.index(rule),
            SHIPPED_KINDS.index(kind) if kind in SHIPPED_KINDS else len(SHIPPED_KINDS),
            int(parts.get("k", 0)),
            metric.name,
        )

    known = catalogue or {}
    return tuple(sorted((known.get(key) or describe(key) for key in set(keys)), key=place))


def find(name: str, present: Iterable[Metric]) -> Metric:
    """The metric called `name`: its key, its key without "eval/", or its label.

    Raises ValueError, in one line with the known names, when there is no such metric in the runs.
    """
    metrics = tuple(present)
    for metric in metrics:
        if name in (metric.key, metric.name, metric.label):
            return metric
    known = ", ".join(m.name for m in metrics) or "none at all"
    raise ValueError(f"metric={name}: no run has it; known here: {known}")


def _measure_and_name(key: str) -> tuple[str, str]:
    """ "horizon_15", "success_door" of "eval/horizon_15/success_door"; else "" and the name."""
    measure, _, name = key.removeprefix(PREFIX).rpartition("/")
    return measure, name


def _rule(key: str) -> tuple[Metric | None, dict[str, str]]:
    """The description that a key fits, and its parts by placeholder."""
    measure, name = _measure_and_name(key)
    for rule in _BUILT_IN:
        if measure and not rule.key.startswith(_OF_PLANNING):
            continue
        pattern = rule.key
        for placeholder, expression in _PLACEHOLDERS.items():
            pattern = pattern.replace(placeholder, expression)
        match = re.fullmatch(pattern, PREFIX + name)
        if match is not None:
            return rule, {name: part.replace("_", " ") for name, part in match.groupdict().items()}
    return None, {}
