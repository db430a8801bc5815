"""What a reader must know before believing a number."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from jepa_compare.comparison.conclusion import seeds_text
from jepa_compare.comparison.differences import is_harmless
from jepa_compare.comparison.results import Estimate, Pair, Row, UnsweptSetting
from jepa_compare.comparison.runs import OUTCOMES, Runs
from jepa_compare.comparison.statistics import FEWEST_FOR_SHAPE
from jepa_compare.metrics import Metric, describe

ENOUGH_TASKS = 100
"""Evaluation tasks below which methods of the usual quality cannot be told apart."""
_NEAR_BOUND = 0.95  # success rates beyond it, or below 1 - it, are far from normal
_MOST_LISTED = 6


def find_warnings(
    runs: Runs,
    rows: Sequence[Row],
    estimates: Mapping[str, Estimate],
    pairs: Sequence[Pair],
    primary: Metric,
    unswept: Sequence[UnsweptSetting],
    by: Sequence[str] | None,
    skewed: Sequence[str],
) -> tuple[str, ...]:
    """One sentence each, the gravest first; `estimates` and `pairs` are those of `primary`."""
    return (
        *(_about_unswept(found, by or ()) for found in unswept),
        *_about_pooling(rows, by),
        *_about_outcomes(rows),
        *_about_seeds(rows, estimates, pairs),
        *_about_tasks(runs),
        *_about_evaluations(runs),
        *_about_shape(rows, estimates, primary, skewed),
        *_about_versions(runs),
        *_about_left_out(runs),
    )


def listed(items: Sequence[str]) -> str:
    """Items with commas, and how many more there are."""
    rest = len(items) - _MOST_LISTED
    return ", ".join(items[:_MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _about_unswept(unswept: UnsweptSetting, by: Sequence[str]) -> str:
    values = listed([f"{value} ({count})" for value, count in unswept.values.items()])
    if unswept.key in by:
        effect = "rows are made by it, as asked"
    elif unswept.apart:
        effect = "rows are kept apart, and pairs that differ in it are not tested"
    elif is_harmless(unswept.key):
        effect = "it does not compute the numbers, so rows are averaged over it"
    else:
        effect = "rows are averaged over it, as asked"
    return f"{unswept.key} differs between runs and was not swept: {values}; {effect}."


def _about_pooling(rows: Sequence[Row], by: Sequence[str] | None) -> list[str]:
    mixed = [row.label for row in rows if len(row.runs) > len(row.seeds)]
    if by is None or not mixed:
        return []
    return [
        f"Grouped by {', '.join(by)}: several runs of one seed are averaged in {listed(mixed)}."
    ]


def _about_outcomes(rows: Sequence[Row]) -> list[str]:
    warnings = []
    for row in rows:
        bad = [f"{row.counts[o]} {o.replace('_', ' ')}" for o in OUTCOMES[1:] if o in row.counts]
        if not bad:
            continue
        effects = []
        if "diverged" in row.counts:
            effects.append("a diverged run counts with its untrained encoder's score")
        if any(o in row.counts for o in ("failed", "interrupted", "running", "queued")):
            effects.append("a run without a result is missing")
        effect = f" ({'; '.join(effects)})" if effects else ""
        warnings.append(f"{row.label}: {', '.join(bad)} of {len(row.runs)} runs{effect}.")
    return warnings


def _about_seeds(
    rows: Sequence[Row], estimates: Mapping[str, Estimate], pairs: Sequence[Pair]
) -> list[str]:
    warnings = []
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
                f"{seeds_text(n)}: too few for an interquartile mean or a probability of"
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
    names = listed([f"{name} ({count})" for name, count in others.most_common()])
    return [f"Runs hold evaluations that are not shown here; --evaluation=HASH shows one: {names}."]


def _about_shape(
    rows: Sequence[Row],
    estimates: Mapping[str, Estimate],
    primary: Metric,
    skewed: Sequence[str],
) -> list[str]:
    warnings = []
    columns = [describe(key) for key in skewed]
    labels = [column.label for column in columns if column.downstream or column == primary]
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
    if primary.name.startswith("success_") and extreme:
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
