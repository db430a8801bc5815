"""What a reader must know before believing a number."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from jepa_compare.comparison.conclusion import counts_text, listed, plural
from jepa_compare.comparison.results import Estimate, Pair, Row, UnsweptSetting
from jepa_compare.comparison.runs import OUTCOMES, Runs
from jepa_compare.comparison.scores import first_floors
from jepa_compare.comparison.smallest_effect import recorded_effects
from jepa_compare.comparison.tuning.results import Tuning
from jepa_compare.comparison.tuning.words import about_studies
from jepa_compare.metrics import Metric
from jepa_compare.runs.identity import HARMLESS
from jepa_compare.statistics import FEWEST_FOR_SHAPE

ENOUGH_TASKS = 100
"""Evaluation tasks below which methods of the usual quality cannot be told apart."""
_NEAR_BOUND = 0.95  # success rates beyond it, or below 1 - it, are far from normal


def find_warnings(
    runs: Runs,
    rows: Sequence[Row],
    estimates: Mapping[str, Estimate],
    pairs: Sequence[Pair],
    primary: Metric,
    unswept: Sequence[UnsweptSetting],
    by: Sequence[str] | None,
    skewed: Sequence[Metric],
    tuned: Sequence[Tuning] = (),
) -> tuple[str, ...]:
    """One sentence each, the gravest first; `estimates` and `pairs` are those of `primary`."""
    return (
        *(_about_unswept(setting, by or ()) for setting in unswept),
        *_about_pooling(rows, by),
        *_about_tuning(rows),
        *about_studies(tuned),
        *_about_smallest_effect(runs, primary),
        *_about_outcomes(rows),
        *_about_seeds(rows, estimates, pairs),
        *_about_tasks(runs),
        *_about_evaluations(runs),
        *_about_floors(runs),
        *_about_shape(rows, estimates, primary, skewed),
        *_about_versions(runs),
        *_about_left_out(runs),
    )


def _about_unswept(setting: UnsweptSetting, by: Sequence[str]) -> str:
    if setting.key in by:
        effect = "rows are made by it, as asked"
    elif setting.apart:
        effect = "rows are kept apart, and pairs that differ in it are not tested"
    elif setting.key in HARMLESS:
        effect = "it does not compute the numbers, so rows are averaged over it"
    else:
        effect = "rows are averaged over it, as asked"
    values = counts_text(setting.values)
    return f"{setting.key} differs between runs and was not swept: {values}; {effect}."


def _about_pooling(rows: Sequence[Row], by: Sequence[str] | None) -> list[str]:
    mixed = [row.label for row in rows if len(row.runs) > len(row.seeds)]
    if by is None or not mixed:
        return []
    return [
        f"Grouped by {', '.join(by)}: several runs of one seed are averaged in {listed(mixed)}."
    ]


def _about_tuning(rows: Sequence[Row]) -> list[str]:
    if all(run.study is not None for row in rows for run in row.runs):
        return [
            "Every loss was tuned with the same budget. The intervals are given the settings that"
            " were selected: another tuning may select others."
        ]
    losses = Counter(row.runs[0].loss for row in rows)
    several = [loss for loss, count in losses.items() if count > 1]
    warnings: list[str] = []
    if several:
        warnings.append(
            f"Rows differ in settings of {listed(several)}: the best of several settings looks"
            " better than it is (winner's curse). Run the chosen one again with fresh seeds."
        )
    if len(losses) > 1:
        warnings.append(
            "Not tuned: learning rate and weights are as shipped, picked by hand, or as given on"
            " the command line. Others may change the order."
        )
    return warnings


def _about_smallest_effect(runs: Runs, primary: Metric) -> list[str]:
    effects = recorded_effects(runs, primary)
    if len(effects) < 2:
        return []
    values = listed([f"{effect:g}" for effect in effects])
    return [
        f"Runs disagree on the smallest effect of interest in {primary.label}: {values}. The"
        " smallest counts; --effect sets one for all."
    ]


def _about_outcomes(rows: Sequence[Row]) -> list[str]:
    warnings: list[str] = []
    for row in rows:
        bad = [f"{row.counts[o]} {o.replace('_', ' ')}" for o in OUTCOMES[1:] if o in row.counts]
        if not bad:
            continue
        effects: list[str] = []
        if "diverged" in row.counts:
            effects.append("a diverged run counts with the worst score there is")
        if any(o in row.counts for o in ("failed", "interrupted", "running", "queued")):
            effects.append("a run without a result is missing")
        effect = f" ({'; '.join(effects)})" if effects else ""
        warnings.append(f"{row.label}: {', '.join(bad)} of {len(row.runs)} runs{effect}.")
    return warnings


def _about_seeds(
    rows: Sequence[Row], estimates: Mapping[str, Estimate], pairs: Sequence[Pair]
) -> list[str]:
    warnings: list[str] = []
    single = [row.label for row in rows if estimates[row.label].n == 1]
    if single:
        warnings.append(f"One seed, so no interval and no test: {listed(single)}.")
    dropped = [f"{p.a} and {p.b} ({p.dropped})" for p in pairs if p.dropped]
    if dropped:
        warnings.append(f"Seeds that could not be paired: {listed(dropped)}.")
    tested = [pair for pair in pairs if not pair.note]
    if tested:
        n = min(len(pair.differences) for pair in tested)
        if n < FEWEST_FOR_SHAPE:
            warnings.append(
                f"{plural(n, 'seed')}: too few for an interquartile mean or a probability of"
                f" improvement (from {FEWEST_FOR_SHAPE}), and to see most skewness: the interval of"
                " a skewed metric covers less than it says."
            )
    return warnings


def _about_tasks(runs: Runs) -> list[str]:
    counts = [len(rows.success) for run in runs for rows in run.tasks.values()]
    few = [count for count in counts if count < ENOUGH_TASKS]
    if not few:
        return []
    return [
        f"Success rates rest on {int(statistics.median(few))} tasks per run;"
        f" below {ENOUGH_TASKS} their noise hides what separates good methods."
    ]


def _about_evaluations(runs: Runs) -> list[str]:
    others = Counter(name for run in runs for name in run.other_evaluations)
    if not others:
        return []
    names = counts_text(dict(others.most_common()))
    return [f"Runs hold evaluations that are not shown here; --evaluation=HASH shows one: {names}."]


def _about_floors(runs: Runs) -> list[str]:
    first = first_floors(runs)
    floors = [floor for run in runs for floor in run.floors.values()]
    differing = {floor.key for floor in floors if floor.metrics != first[floor.key].metrics}
    if not differing:
        return []
    return [f"Floors of one key with other numbers, the first counts: {listed(sorted(differing))}."]


def _about_shape(
    rows: Sequence[Row],
    estimates: Mapping[str, Estimate],
    primary: Metric,
    skewed: Sequence[Metric],
) -> list[str]:
    warnings: list[str] = []
    labels = [metric.label for metric in skewed if metric.downstream or metric == primary]
    if labels:
        warnings.append(
            f"Skewed over seeds: {listed(labels)}. Their 95 % intervals cover less (82 to 90 % for"
            " exponential and lognormal scores)."
        )
    extreme = [
        row.label
        for row in rows
        if estimates[row.label].interval is not None
        and not 1 - _NEAR_BOUND <= estimates[row.label].mean <= _NEAR_BOUND
    ]
    if primary.is_success and extreme:
        warnings.append(
            f"{primary.label} is close to 0 or 1, where t-intervals are rough: {listed(extreme)}."
        )
    return warnings


def _about_versions(runs: Runs) -> list[str]:
    older = sum(run.unverified for run in runs)
    if not older:
        return []
    return [f"{older} run(s) are of an older version of the files and are read unverified."]


def _about_left_out(runs: Runs) -> list[str]:
    lost = sum(item.what == "run" for item in runs.left_out)
    parts = len(runs.left_out) - lost
    if not runs.left_out:
        return []
    return [f"Left out: {lost} run(s) and {parts} part(s) of runs, listed with reasons below."]
