"""A comparison in words. It names a winner only where the tests do."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence

from jepa_compare.comparison.results import Estimate, Pair, Row, TaskWidening, TopGroup
from jepa_compare.comparison.top_group import find_top, is_better, winner
from jepa_compare.metrics import Metric
from jepa_compare.statistics import ALPHA


def p_text(p: float) -> str:
    """ "p = .002", "p < .001": no leading zero, since p cannot exceed 1; as many digits as show
    on which side of .05 it lies."""
    if p < 0.001:
        return "p < .001"
    digits = 3 if p < 0.1 else 2
    while float(f"{p:.{digits}f}") >= ALPHA > p and digits < 15:
        digits += 1
    return "p = " + f"{p:.{digits}f}".removeprefix("0")


def plural(n: int, noun: str) -> str:
    """ "1 seed", "3 seeds"."""
    return f"{n} {noun}" + "s" * (n != 1)


def seeds_text(pairs: Sequence[Pair]) -> str:
    """ "3 seeds", "2 to 4 seeds": those that the two rows of each pair have in common."""
    counts = sorted({len(pair.differences) for pair in pairs})
    return plural(counts[0], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"


def listed(items: Sequence[str], most: int = 6) -> str:
    """The first items with commas, and how many more there are."""
    rest = len(items) - most
    return ", ".join(items[:most]) + (f" and {rest} more" if rest > 0 else "")


def counts_text(counts: Mapping[str, int], most: int = 6) -> str:
    """ "0.1.0 (15)": each value with its runs."""
    return listed([f"{value} ({count})" for value, count in counts.items()], most)


def interval_text(metric: Metric, interval: tuple[float, float], *, signed: bool = False) -> str:
    """ "[0.08, 0.16]"."""
    return f"[{', '.join(metric.text(end, signed=signed) for end in interval)}]"


def unit_text(metric: Metric) -> str:
    """ " px", or nothing."""
    return f" {metric.unit}" if metric.unit else ""


def detectable_text(metric: Metric, difference: float) -> str:
    """ "a difference of 0.4 px could have been detected"; rates cannot be further apart than 1."""
    if metric.is_success and difference > 1:
        return "even a difference of 1 could have been missed"
    size = f"{metric.text(difference)}{unit_text(metric)}"
    return f"a difference of {size} could have been detected"


def size_text(metric: Metric, size: float) -> str:
    """A bound that holds, so rounded down: "at least 0.08 px"; more digits where it would be 0."""
    for digits in range(metric.decimals, metric.decimals + 3):
        down = math.floor(size * 10**digits) / 10**digits
        if down > 0:
            return f"by at least {down:.{digits}f}{unit_text(metric)}"
    return "by more than 0"


def with_sentence(pair: Pair, metric: Metric) -> Pair:
    """The pair with its sentence.

    "A over B: +0.12 [0.08, 0.16] detour success, 10 seeds, p = .002", where p is corrected. Of an
    exploratory metric it states the difference and claims nothing.
    """
    unit, seeds = unit_text(metric), plural(len(pair.differences), "seed")
    a, b, mean, interval, decision = pair.a, pair.b, pair.mean, pair.interval, pair.decision
    if pair.note:
        seen = f" ({metric.text(mean, signed=True)}{unit})" if pair.differences else ""
        sentence = f"{a} and {b}: no conclusion on {metric.label}, {pair.note}{seen}"
        return dataclasses.replace(pair, sentence=sentence)
    assert interval is not None  # every tested pair has one
    if pair.separable and metric.better is not None and not is_better(metric, mean):
        a, b, mean, interval = b, a, -mean, (-interval[1], -interval[0])
    digits = metric.decimals
    while float(f"{abs(mean):.{digits}f}") == 0 < abs(mean) and digits < 9:
        digits += 1  # never a winner by "+0.00 [0.00, 0.00]"
    fine = dataclasses.replace(metric, decimals=digits)
    difference = f"{fine.text(mean, signed=True)}{unit} {interval_text(fine, interval)}"
    p = "" if math.isnan(pair.p_holm) else f", {p_text(pair.p_holm)}"
    margin = decision.margin if decision else None
    within = f"less than {metric.text(margin)}{unit}" if margin is not None else ""
    if decision is None:
        sentence = f"{a} - {b}: {difference} {metric.label}, {seeds}{p} (exploratory)"
    elif decision.answer == "equal":
        within = within.removeprefix("less than ")
        sentence = f"{a} and {b}: equal within {within} by {metric.label}, {seeds} ({difference})"
    elif decision.answer == "undecided":
        needed = decision.seeds_needed
        more = f"; about {needed} seeds would decide" if needed else ""
        sentence = (
            f"{a} and {b}: not separable by {metric.label} with {seeds} ({difference}{p};"
            f" {detectable_text(metric, pair.detectable)}{more})"
        )
    elif metric.better is not None:
        small = f", by {within}" if decision.within_margin else ""
        sentence = f"{a} over {b}{small}: {difference} {metric.label}, {seeds}{p}"
    else:
        sentence = (
            f"{a} and {b} differ: {difference} {metric.label}, {seeds}{p} (neither direction is"
            " better)"
        )
    return dataclasses.replace(pair, sentence=sentence)


def write_conclusion(
    rows: Sequence[Row],
    estimates: Mapping[str, Estimate],
    pairs: Sequence[Pair],
    primary: Metric,
    baseline: str | None,
) -> tuple[str, ...]:
    """The answer, then the smallest difference that could have been seen."""
    sentences = [conclusion(rows, estimates, pairs, primary, baseline)]
    tests = [pair for pair in pairs if not pair.note]
    if tests:
        seeds = seeds_text(tests)
        what = detectable_text(primary, statistics.median(pair.detectable for pair in tests))
        family = tests[0].decision.pairs if tests[0].decision else 1
        over = f"median over pairs, power .8, corrected for {family} pairs"
        sentences.append(f"With {seeds} {what} ({over if family > 1 else 'power .8'}).")
    return tuple(sentences)


def about_pairing(correlation: float, metric: Metric) -> tuple[str, ...]:
    """What pairing by seed bought, in a sentence; none where it cannot be known."""
    if math.isnan(correlation) or not metric.downstream:
        return ()
    return (
        f"Scores of rows correlate over seeds by {correlation:.2f}: pairing multiplied the variance"
        f" of a difference by {1 - correlation:.2f}.",
    )


def about_tasks(widening: TaskWidening | None) -> TaskWidening | None:
    """With its sentence: what the intervals leave out."""
    if widening is None:
        return None
    factors = (("a row's", widening.row), ("a paired difference's", widening.difference))
    parts = [f"{what} {x:.2f} times" for what, x in factors if not math.isnan(x)]
    return dataclasses.replace(
        widening,
        sentence=f"Intervals are given these {widening.tasks} tasks; were the tasks a sample too,"
        f" they would be wider, {_joined(parts)} (median, estimated).",
    )


def _joined(items: Sequence[str]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def _losses(rows: Sequence[Row]) -> str:
    """ "; of vicreg's 4 seeds 1 failed": what a reader must not miss."""
    parts = [
        f"{row.label}: {', '.join(f'{n} {o}' for o, n in row.counts.items() if o in _NO_RESULT)}"
        f" of {plural(len(row.runs), 'run')}"
        for row in rows
        if any(outcome in row.counts for outcome in _NO_RESULT)
    ]
    return f" ({listed(parts, 4)})" if parts else ""


_NO_RESULT = ("diverged", "failed", "interrupted")


def conclusion(
    rows: Sequence[Row],
    estimates: Mapping[str, Estimate],
    pairs: Sequence[Pair],
    metric: Metric,
    baseline: str | None = None,
) -> str:
    """The answer in one sentence; of each pair it tells the pair's own seeds."""
    scored = [row for row in rows if estimates[row.label].n]
    tested = [pair for pair in pairs if not pair.note]
    if not scored:
        return f"No run has a score for {metric.label}{_losses(rows)}."
    if not metric.downstream:
        return f"{metric.label} is a diagnostic: it ranks nothing."
    if len(scored) < 2:
        return (
            f"One row with a score for {metric.label}: there is nothing to compare{_losses(rows)}."
        )
    if not tested:
        if max(estimates[row.label].n for row in scored) < 2:
            return (
                f"One seed per row: no interval, no test and no row leads by {metric.label}. More"
                f" seeds (seed=0,1,2,3,4) would tell{_losses(rows)}."
            )
        if not pairs:
            return (
                f"{len(scored)} rows are too many to test every pair; name a baseline, or group by."
            )
        return f"No pair of rows can be tested by {metric.label}: {pairs[0].note}{_losses(rows)}."
    answer = find_top(rows, estimates, pairs, metric)
    seeds = seeds_text(tested)
    if baseline is not None:
        better = [pair for pair in tested if winner(pair, metric) not in (None, baseline)]
        return (
            f"By {metric.label}, {len(better)} of {len(tested)} tested rows are better than"
            f" {baseline} with {seeds}{_losses(rows)}."
        )
    met = {label for pair in pairs for label in (pair.a, pair.b)}
    if len(pairs) < len(met) * (len(met) - 1) / 2:
        separable = sum(pair.separable for pair in tested)
        return (
            f"{len(scored)} rows are too many to test every pair: losses are tested where all other"
            f" settings agree; {separable} of {len(tested)} tested pairs are separable."
        )
    alone = f"; {_joined(answer.unranked)}: not ranked" if answer.unranked else ""
    if not answer.beaten or not answer.top:
        names = listed(list(answer.top), 6) + " are" if answer.top else "no two rows are"
        word = _within_top(answer, pairs, metric) if answer.top else "separable"
        return f"No row leads by {metric.label}: {names} {word} with {seeds}{alone}{_losses(rows)}."
    return f"{_leading(answer, pairs, metric)}{alone}{_losses(rows)}."


def _within_top(answer: TopGroup, pairs: Sequence[Pair], metric: Metric) -> str:
    """ "not separable from each other"; pairs of the top group that are equal are called so."""
    margin = next((pair.decision.margin for pair in pairs if pair.decision), None)
    if not answer.equal or margin is None:
        return "not separable from each other"
    equal = f"equal within {metric.text(margin)}{unit_text(metric)}"
    if len(answer.equal) == len(answer.top) * (len(answer.top) - 1) // 2:
        return equal
    which = listed([f"{a} and {b}" for a, b in answer.equal], 4)
    return f"not separable from each other, except that {which} are {equal}"


def _leading(answer: TopGroup, pairs: Sequence[Pair], metric: Metric) -> str:
    """ "a and b lead by detour success with 3 seeds, not separable from each other; both beat c
    by at least 0.08". Where pairs differ in their seeds, each row that is beaten has its own."""
    top, several = answer.top, len(answer.top) > 1
    tested = [pair for pair in pairs if not pair.note]
    same = len({len(pair.differences) for pair in tested}) == 1
    text = f"{_joined(top)} lead{'' if several else 's'} by {metric.label}"
    inside = [pair for pair in tested if {pair.a, pair.b} <= {*top}]
    if same or inside:
        text += f" with {seeds_text(tested if same else inside)}"
    if several:
        text += f", {_within_top(answer, pairs, metric)}"
    clauses: dict[tuple[str, ...], list[str]] = {}
    for beaten in answer.beaten:
        size = size_text(metric, beaten.at_least)
        if beaten.by_less_than is not None:
            size = f"by less than {metric.text(beaten.by_less_than)}{unit_text(metric)}"
        rows = {beaten.row, *beaten.by}
        of_row = [p for p in tested if beaten.row in (p.a, p.b) and {p.a, p.b} <= rows]
        own = "" if same else f" ({seeds_text(of_row)})"
        by = tuple(sorted(beaten.by))
        clauses.setdefault(by, []).append(f"{beaten.row} {size}{own}")
    for by, of_rows in clauses.items():
        if {*by} == {*top}:
            who = ("both beat" if len(top) == 2 else "all beat") if several else "it beats"
        else:
            who = f"{_joined(by)} beat{'' if len(by) > 1 else 's'}"
        text += f"; {who} {_joined(of_rows)}"
    return text
