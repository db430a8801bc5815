"""`jepa-compare plan SWEEP`: how many seeds would decide a sweep's pairs, and what they cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jepa_compare.comparison.compare import compare
from jepa_compare.comparison.conclusion import plural, unit_text
from jepa_compare.comparison.loading.load import NoRunsError, load_runs
from jepa_compare.comparison.results import Comparison, Pair
from jepa_compare.comparison.smallest_effect import smallest_effect
from jepa_compare.metrics import Metric
from jepa_compare.report.tables import Grid
from jepa_compare.report.terminal import aligned
from jepa_compare.statistics import POWER, sd_range, seeds_to_decide, t_test


@dataclass(frozen=True, kw_only=True, slots=True)
class PairPlan:
    """Seeds for one pair; None where nothing can be said, or no number of seeds is enough."""

    pair: Pair
    sd: float
    """Of the paired difference over seeds; NaN for n < 2."""
    seeds: int | None
    """With which the effect is found, if `sd` is the true one."""
    seeds_range: tuple[int | None, int | None]
    """The same for the ends of the 80 % interval of the true sd."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedPlan:
    """How many seeds find a difference of `effect` in each pair of the primary metric."""

    effect: float
    power: float
    family: int
    """Pairs that the correction counts."""
    pairs: tuple[PairPlan, ...]
    each: int | None
    """Seeds with which every pair has this power."""
    together: int | None
    """Seeds with which all pairs are decided in the same sweep with this probability."""


def make_plan(comparison: Comparison, effect: float, power: float = POWER) -> SeedPlan:
    """Plan for a true difference of `effect` at the sd that each pair shows.

    Level .05 over the number of pairs, which the step-down asks of the first. `together` gives each
    of m pairs the power 1 − (1 − power)/m, which bounds the chance that any is missed.
    """
    pairs = [p for p in comparison.primary_pairs if not p.confounded]
    family = sum(len(pair.differences) > 1 for pair in pairs)  # as the decisions count them
    planned: list[PairPlan] = []
    stricter: list[int | None] = []
    for pair in pairs:
        values = np.array([list(pair.differences.values())], float)
        test = t_test(values) if values.size else None
        sd = float(test.sd[0]) if test and not math.isnan(test.p[0]) else math.nan

        def seeds(sd: float, power: float) -> int | None:
            return seeds_to_decide(sd=sd, difference=effect, pairs=family, power=power)

        low, high = sd_range(sd, len(pair.differences))
        bounds = (seeds(low, power), seeds(high, power))
        planned.append(PairPlan(pair=pair, sd=sd, seeds=seeds(sd, power), seeds_range=bounds))
        if not math.isnan(sd):
            stricter.append(seeds(sd, 1 - (1 - power) / family))
    return SeedPlan(
        effect=effect,
        power=power,
        family=family,
        pairs=tuple(planned),
        each=_most([p.seeds for p in planned if not math.isnan(p.sd)]),
        together=_most(stricter),
    )


def write_plan(
    paths: Sequence[str | Path],
    *,
    metric: str | None = None,
    effect: float | None = None,
    power: float = POWER,
) -> str:
    """The plan for the sweeps at or below `paths`, as text.

    `effect` defaults to the smallest one of interest that the runs' configurations state. Raises
    NoRunsError without a run, ValueError for what is out of range or does not occur.
    """
    if not 0.05 < power < 1:
        raise ValueError(f"power={power}: must be above .05 and below 1")
    if effect is not None and not (math.isfinite(effect) and effect > 0):
        raise ValueError(f"effect={effect}: must be above 0")
    runs = load_runs(*paths)
    if not runs.runs:
        raise NoRunsError(f"no run found in {', '.join(map(str, runs.roots))}")
    comparison = compare(runs, metric=metric)
    primary = comparison.primary
    if effect is None:
        effect = smallest_effect(runs, primary)
    if effect is None:
        raise ValueError(
            f"no smallest effect of {primary.name} is recorded: say it with --effect,"
            f" or train with +evaluation.smallest_effect.{primary.name}=VALUE"
        )
    if primary.is_success and effect >= 1:
        raise ValueError(f"effect={effect}: rates cannot be further apart than 1")
    return plan_text(make_plan(comparison, effect, power), comparison)


def plan_text(plan: SeedPlan, comparison: Comparison) -> str:
    """A table of pairs, then what all of them together ask for."""
    metric = comparison.primary
    tested = [pair for pair in plan.pairs if not math.isnan(pair.sd)]
    size = f"{plan.effect:g}{unit_text(metric)}"
    if not tested:
        return (
            f"No pair of {plural(len(comparison.rows), 'row')} has two seeds and differences that"
            f" vary by {metric.label}: nothing to plan from. Three seeds are a start.\n"
        )
    share = f"power {plan.power:g}".replace("0.", ".")
    few = min(len(pair.pair.differences) for pair in tested)
    lines = [
        f"Seeds that would find a difference of {size} {metric.label} ({share}, corrected for"
        f" {plural(plan.family, 'pair')}, at the sd of each pair):",
        "",
        aligned(_grid(plan, comparison, metric)),
        "",
        *_totals(plan, comparison, share),
        f"An sd from {plural(few, 'seed')} is hardly known: the range is of its 80 % interval."
        " Time is that of finished runs, one after another.",
    ]
    return "\n".join(lines) + "\n"


def _grid(plan: SeedPlan, comparison: Comparison, metric: Metric) -> Grid:
    lines: list[tuple[str, ...]] = []
    for planned in sorted(plan.pairs, key=lambda p: -(p.seeds or math.inf)):
        pair = planned.pair
        low, high = planned.seeds_range
        known = not math.isnan(planned.sd)
        lines.append(
            (
                f"{pair.a} and {pair.b}",
                str(len(pair.differences)),
                metric.text(pair.mean, signed=True),
                f"{planned.sd:.3g}" if known else "-",
                _count(planned.seeds) if known else "-",
                f"{_count(low)} to {_count(high)}" if known else "-",
                _more(comparison, (pair.a, pair.b), planned.seeds) if known else pair.note,
            )
        )
    header = ("pair", "seeds", "difference", "sd", "needed", "80 % range", "more runs")
    return Grid(header=header, lines=tuple(lines), left=1)


def _totals(plan: SeedPlan, comparison: Comparison, share: str) -> list[str]:
    rows = tuple(row.label for row in comparison.rows)
    return [
        f"All pairs, each with {share}: {_count(plan.each)} seeds per row"
        f" ({_more(comparison, rows, plan.each)}).",
        f"All pairs in the same sweep with probability {share.removeprefix('power ')}:"
        f" {_count(plan.together)} seeds per row ({_more(comparison, rows, plan.together)}).",
    ]


def _more(comparison: Comparison, labels: Sequence[str], seeds: int | None) -> str:
    """ "24 runs, about 1.3 h": what these rows lack of this number of seeds."""
    if seeds is None:
        return "-"
    runs, seconds, timed = 0, 0.0, True
    for row in comparison.rows:
        if row.label not in labels:
            continue
        done = comparison.estimate(row, comparison.primary).n
        per_seed = max(1, round(len(row.runs) / max(1, len(row.seeds))))
        more = max(0, seeds - done) * per_seed
        costs = [run.cost["seconds.total"] for run in row.runs if "seconds.total" in run.cost]
        runs += more
        seconds += more * (sum(costs) / len(costs) if costs else 0.0)
        timed = timed and (bool(costs) or not more)
    if not runs:
        return "enough"
    return plural(runs, "run") + (f", about {_duration(seconds)}" if timed else "")


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _most(seeds: Sequence[int | None]) -> int | None:
    """The largest; None if one of them is, or there is none."""
    known = [n for n in seeds if n is not None]
    return max(known) if known and len(known) == len(seeds) else None


def _count(seeds: int | None) -> str:
    return "over 10,000" if seeds is None else str(seeds)
