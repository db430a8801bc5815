"""A comparison in words. It names a winner only where the tests do."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

from jepa_compare.comparison.results import AnalysisSet, Estimate, Pair, Row
from jepa_compare.comparison.statistics import ALPHA
from jepa_compare.metrics import Metric


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


def is_better(metric: Metric, difference: float) -> bool:
    """Whether a - b = `difference` favours a."""
    return difference > 0 if metric.better == "higher" else difference < 0


def with_sentence(pair: Pair, metric: Metric) -> Pair:
    """The pair with its sentence.

    "A over B: +0.12 [0.08, 0.16] door success, 10 seeds, p = .002", where p is Holm-corrected.
    """
    unit, seeds = unit_text(metric), plural(len(pair.differences), "seed")
    a, b, mean, interval = pair.a, pair.b, pair.mean, pair.interval
    if pair.note:
        seen = f" ({metric.text(mean, signed=True)}{unit})" if pair.differences else ""
        sentence = f"{a} and {b}: no conclusion on {metric.label}, {pair.note}{seen}"
        return dataclasses.replace(pair, sentence=sentence)
    assert interval is not None  # every tested pair has one
    if pair.separable and metric.better is not None and not is_better(metric, mean):
        a, b, mean, interval = b, a, -mean, (-interval[1], -interval[0])
    difference = f"{metric.text(mean, signed=True)}{unit} {interval_text(metric, interval)}"
    p = p_text(pair.p_holm)
    if not pair.separable:
        sentence = (
            f"{a} and {b}: not separable by {metric.label} with {seeds} ({difference}, {p};"
            f" {detectable_text(metric, pair.detectable)})"
        )
    elif metric.better is not None:
        sentence = f"{a} over {b}: {difference} {metric.label}, {seeds}, {p}"
    else:
        sentence = (
            f"{a} and {b} differ: {difference} {metric.label}, {seeds}, {p} (neither direction is"
            " better)"
        )
    return dataclasses.replace(pair, sentence=sentence)


def best_row(
    rows: Sequence[Row],
    estimates: Mapping[str, Estimate],
    pairs: Sequence[Pair],
    metric: Metric,
) -> str | None:
    """The row that beats every other in a test that separates them, on a downstream metric.

    A row without a score is no rival: none of its runs ended, which the warnings say.
    """
    rows = _scored(rows, estimates)
    if not metric.downstream or len(rows) < 2:
        return None
    leader = leading_row(rows, estimates, metric)
    return leader if leader is not None and not _rivals(leader, rows, pairs, metric) else None


def _rivals(leader: str, rows: Sequence[Row], pairs: Sequence[Pair], metric: Metric) -> list[str]:
    """Rows that no test shows to be worse than `leader`."""
    beaten = {label for pair in pairs for label in (pair.a, pair.b) if _beats(pair, leader, metric)}
    return [row.label for row in rows if row.label != leader and row.label not in beaten]


def _beats(pair: Pair, label: str, metric: Metric) -> bool:
    """Whether the test shows that the row with this label is better than the other."""
    mean = pair.mean if pair.a == label else -pair.mean
    return pair.separable and label in (pair.a, pair.b) and is_better(metric, mean)


def _scored(rows: Sequence[Row], estimates: Mapping[str, Estimate]) -> list[Row]:
    return [row for row in rows if estimates[row.label].n]


def leading_row(
    rows: Sequence[Row], estimates: Mapping[str, Estimate], metric: Metric
) -> str | None:
    """The row with the best mean; None without a direction or a score."""
    scored = [row.label for row in _scored(rows, estimates)]
    if metric.better is None or not scored:
        return None
    pick = max if metric.better == "higher" else min
    return pick(scored, key=lambda label: estimates[label].mean)


def write_conclusion(
    rows: Sequence[Row],
    estimates: Mapping[tuple[AnalysisSet, str, str], Estimate],
    pairs: Mapping[tuple[AnalysisSet, str], Sequence[Pair]],
    primary: Metric,
    tested: Sequence[Metric],
    baseline: str | None,
) -> tuple[str, ...]:
    """The conclusion on the primary metric, what could have been seen, then the rest.

    In this order: all runs; the smallest detectable difference; healthy runs only, if that is
    another conclusion; each other downstream metric.
    """

    def on(metric: Metric, analysis_set: AnalysisSet) -> str:
        of_metric = {row.label: estimates[analysis_set, metric.key, row.label] for row in rows}
        tests = pairs.get((analysis_set, metric.key), ())
        return conclusion(rows, of_metric, tests, metric, baseline)

    sentences = [on(primary, "all")]
    tests = [pair for pair in pairs.get(("all", primary.key), ()) if not pair.note]
    if tests:
        seeds = statistics.median_low(len(pair.differences) for pair in tests)
        what = detectable_text(primary, statistics.median(pair.detectable for pair in tests))
        family = family_size(pairs["all", primary.key])
        over = f"median over pairs, power .8, corrected for {family} pairs"
        sentences.append(
            f"With {plural(seeds, 'seed')} {what} ({over if family > 1 else 'power .8'})."
        )
    healthy = on(primary, "healthy")
    if healthy != sentences[0]:
        sentences.append(f"Healthy runs only: {healthy}")
    sentences += [on(metric, "all") for metric in tested if metric != primary]
    return tuple(sentences)


def family_size(pairs: Sequence[Pair]) -> int:
    """Pairs that Holm's correction counts: two common seeds, and nothing that confounds them."""
    return sum(len(pair.differences) > 1 and not pair.confounded for pair in pairs)


def conclusion(
    rows: Sequence[Row],
    estimates: Mapping[str, Estimate],
    pairs: Sequence[Pair],
    metric: Metric,
    baseline: str | None = None,
) -> str:
    """One or two sentences on one metric. Rows without a score are left aside."""
    every, rows = len(rows), _scored(rows, estimates)
    pairs = [pair for pair in pairs if estimates[pair.a].n and estimates[pair.b].n]
    if not rows:
        return f"No run has a score for {metric.label}."
    if not metric.downstream:
        return f"{metric.label} is a diagnostic: it ranks nothing."
    if len(rows) < 2:
        return f"One row with a score for {metric.label}: there is nothing to compare."
    leader = leading_row(rows, estimates, metric)
    assert leader is not None  # a downstream metric has a direction
    rivals = _rivals(leader, rows, pairs, metric)
    of_leader = [pair for pair in pairs if leader in (pair.a, pair.b)]
    if not rivals:
        others = "every other row" + " with a score" * (every > len(rows))
        closest = min(of_leader, key=lambda pair: abs(pair.mean)).sentence
        return f"{leader} is best by {metric.label}, separable from {others} ({closest})."
    tested = [pair for pair in pairs if not pair.note]
    if not tested:
        if max(estimates[row.label].n for row in rows) < 2:
            return (
                f"One seed per row: no interval, no test and no winner by {metric.label}. More"
                " seeds (seed=0,1,2,3,4) would tell."
            )
        if not pairs:
            return (
                f"{len(rows)} rows are too many to test every pair; name a baseline, or group with"
                " --by."
            )
        return f"No pair of rows can be tested by {metric.label}: {pairs[0].note}."
    separable = sum(pair.separable for pair in tested)
    tally = (
        f"{separable} of {len(tested)} tested pair{'s are' if len(tested) > 1 else ' is'} separable"
        " at p < .05, Holm-corrected."
    )
    if baseline is not None:
        better = sum(
            _beats(pair, pair.a if pair.b == baseline else pair.b, metric) for pair in tested
        )
        return (
            f"By {metric.label}, {better} of {len(tested)} tested rows are better than {baseline}."
            f" {tally}"
        )
    met = {label for pair in of_leader for label in (pair.a, pair.b)}
    if any(estimates[row.label].n > 1 and row.label not in met for row in rows):
        return (
            f"{len(rows)} rows are too many to test every pair: losses are tested where all other"
            f" settings agree. {leader} has the best mean by {metric.label}. {tally}"
        )
    seeds = max(len(pair.differences) for pair in tested)
    return (
        f"No row is best by {metric.label}: {leader} has the best mean and is not separable from"
        f" {listed(rivals, 3)} with {plural(seeds, 'seed')}. {tally}"
    )
