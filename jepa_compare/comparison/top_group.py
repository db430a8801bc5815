"""Who leads and what is beaten: the answer of a comparison before it is worded."""

from collections.abc import Mapping, Sequence

from jepa_compare.comparison.results import Beaten, Estimate, Pair, Row, TopGroup
from jepa_compare.metrics import Metric


def is_better(metric: Metric, difference: float) -> bool:
    """Whether a - b = `difference` favours a."""
    return difference > 0 if metric.better == "higher" else difference < 0


def winner(pair: Pair, metric: Metric) -> str | None:
    """The row that is claimed to be better."""
    if not pair.separable or metric.better is None:
        return None
    return pair.a if is_better(metric, pair.mean) else pair.b


def find_top(
    rows: Sequence[Row], estimates: Mapping[str, Estimate], pairs: Sequence[Pair], metric: Metric
) -> TopGroup:
    """The rows that no row beats, as far as they may lead, and what they beat."""
    beats: dict[str, list[Pair]] = {row.label: [] for row in rows}  # by the row that is beaten
    for pair in pairs if metric.downstream else ():
        if {pair.a, pair.b} <= beats.keys() and (won := winner(pair, metric)) is not None:
            beats[pair.b if won == pair.a else pair.a].append(pair)
    scored = [row for row in rows if estimates[row.label].n]
    unranked = tuple(
        row.label
        for row in scored
        if estimates[row.label].n < 2
        or row.counts.get("diverged", 0) == sum(run.status is not None for run in row.runs)
    )
    top = tuple(row.label for row in scored if not beats[row.label] and row.label not in unranked)
    beaten = []
    for label in (row.label for row in scored if beats[row.label]):
        of_top = [pair for pair in beats[label] if winner(pair, metric) in top] or beats[label]
        decisions = [pair.decision for pair in of_top if pair.decision is not None]
        within = all(decision.within_margin for decision in decisions)
        beaten.append(
            Beaten(
                row=label,
                by=tuple(str(winner(pair, metric)) for pair in of_top),
                at_least=min(decision.at_least for decision in decisions),
                by_less_than=decisions[0].margin if within else None,
            )
        )
    equal = tuple(
        (pair.a, pair.b)
        for pair in pairs
        if pair.decision and pair.decision.answer == "equal" and {pair.a, pair.b} <= {*top}
    )
    return TopGroup(
        top=top if metric.downstream and len(scored) > 1 else (),
        beaten=tuple(beaten),
        equal=equal,
        unranked=unranked,
    )


def best_row(
    rows: Sequence[Row], estimates: Mapping[str, Estimate], pairs: Sequence[Pair], metric: Metric
) -> str | None:
    """The row that beats every other one with a score; None where there is none."""
    top = find_top(rows, estimates, pairs, metric).top
    others = [row.label for row in rows if estimates[row.label].n and row.label not in top]
    beaten = {
        pair.b if pair.a == top[0] else pair.a
        for pair in pairs
        if len(top) == 1 and winner(pair, metric) == top[0]
    }
    return top[0] if len(top) == 1 and others and {*others} <= beaten else None
