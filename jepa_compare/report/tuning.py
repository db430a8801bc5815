"""How the losses were tuned, as text in cells: Markdown, the terminal and the page share it."""

import math

from jepa_compare.comparison.conclusion import interval_text, plural
from jepa_compare.comparison.tuning.results import LossTuning, Mean, Share, Tuning
from jepa_compare.metrics import Metric
from jepa_compare.report.tables import Grid, full_name
from jepa_compare.statistics import BestOf

GAIN_LEGEND = (
    "Fresh: seeds and tasks that no selection saw; ± is half of the 95 % t-interval over seeds,"
    " given the selected settings. Gain: tuned minus as shipped, paired by seed; the interval is"
    " that of one loss. Selected by: mean over the confirming seeds; what is lost from there to"
    " fresh seeds is the winner's curse."
)
BUDGET_LEGEND = (
    "Best of B: the median of the best of B trials, with the bounds that these trials give (97.5 %"
    " each). Near the best: share of trials within the smallest effect of the loss's own best one."
    " A loss that is flat over its range is worth more than one that needs its peak, but one that"
    " always fails is flat too. Shares have Wilson's 95 % interval. Time: of all its runs,"
    " evaluations included."
)


def protocol(tuning: Tuning) -> str:
    """What was done, in a sentence or two."""
    study = tuning.study
    again = f"as shipped on {study.default_seeds} of them"
    other = [f"{length}×" for length in study.report_steps if length != 1]
    if other:
        again += f", and at {' and '.join(other)} the steps on {study.default_seeds}"
    runs = sum(loss.runs for loss in tuning.losses)
    seconds = sum(loss.seconds for loss in tuning.losses)
    return (
        f"{plural(study.trials, 'trial')} of each loss ({study.sampler}, study seed"
        f" {study.study_seed}); the best {study.confirm_top} confirmed on"
        f" {plural(study.confirm_seeds, 'further seed')}, which select by {tuning.metric.label};"
        f" the selected settings on {plural(study.report_seeds, 'fresh seed')}, {again}."
        f" {plural(runs, 'run')}, {_time(seconds)}."
    )


def gain_table(tuning: Tuning) -> Grid:
    """A line per loss: as shipped, tuned, and what remained of the score that selected."""
    metric = tuning.metric
    return Grid(
        header=(
            "loss",
            f"as shipped, {full_name(metric)}",
            "tuned",
            *(f"tuned, {at.length}× the steps" for at in tuning.lengths),
            "gain",
            "95 % interval",
            "seeds",
            "selected by",
            "fresh minus that",
            "at the edge of its range",
        ),
        lines=tuple(
            (
                loss.loss,
                _mean(metric, loss.shipped),
                _mean(metric, loss.tuned),
                *(_mean(metric, at.scores.get(loss.loss)) for at in tuning.lengths),
                metric.text(loss.gain.mean, signed=True),
                _interval(metric, loss.gain),
                str(loss.gain.n),
                metric.text(loss.confirmed.mean),
                metric.text(loss.curse, signed=True),
                ", ".join(p.key for p in loss.parameters if p.at_edge) or "-",
            )
            for loss in tuning.losses
        ),
    )


def short_table(tuning: Tuning, width: int | None = None) -> Grid:
    """The columns that matter most, from the left as many as fit into `width` characters."""
    gain, budget = gain_table(tuning), budget_table(tuning)
    at = len(tuning.lengths)
    wanted = [(gain, i) for i in (0, 1, 2, 3 + at, 4 + at, 6 + at, 7 + at)]
    wanted += [(budget, i) for i in (1, 3, 4, 5, 6)]
    columns = [(g.header[i], *(line[i] for line in g.lines)) for g, i in wanted]
    widths = [max(map(len, column)) + 2 for column in columns]
    while width is not None and len(columns) > 3 and sum(widths) > width:
        columns, widths = columns[:-1], widths[:-1]
    header, *lines = zip(*columns, strict=True)
    return Grid(header=header, lines=tuple(lines))


def budget_table(tuning: Tuning) -> Grid:
    """A line per loss: what was searched, what came of it, and what it took."""
    near = tuning.smallest_effect
    return Grid(
        header=(
            "loss",
            "searched",
            "trials",
            "best of 1",
            f"best of {tuning.study.trials}",
            "near the best" + ("" if near is None else f" ({tuning.metric.text(near)})"),
            "collapsed",
            "diverged",
            "runs",
            "time",
        ),
        lines=tuple(_budget(tuning.metric, loss) for loss in tuning.losses),
    )


def _budget(metric: Metric, loss: LossTuning) -> tuple[str, ...]:
    best = loss.best_of
    return (
        loss.loss,
        str(len(loss.parameters)),
        str(len(loss.trials)),
        best_text(metric, best[0]) if best else "-",
        best_text(metric, best[-1]) if best else "-",
        "-" if loss.near_best is None else f"{loss.near_best:.2f}",
        share_text(loss.collapsed),
        share_text(loss.diverged),
        str(loss.runs),
        _time(loss.seconds),
    )


def settings_table(tuning: Tuning) -> Grid:
    """A line per searched parameter: its range, as shipped, selected."""
    lines = tuple(
        (
            loss.loss,
            parameter.key + (" (all losses)" if parameter.searched.shared else ""),
            f"{_value(parameter.searched.low)} to {_value(parameter.searched.high)}",
            _value(parameter.searched.default),
            "-" if parameter.selected is None else _value(parameter.selected),
            "in the outer tenth" if parameter.at_edge else "",
        )
        for loss in tuning.losses
        for parameter in loss.parameters
    )
    header = ("loss", "setting", "searched", "as shipped", "selected", "")
    return Grid(header=header, lines=lines, left=2)


def answers(tuning: Tuning) -> tuple[tuple[str, str], ...]:
    """(what becomes of the conclusion, what is found there) of each other length of training."""
    says = {
        "holds": "The conclusion holds at {} times the steps",
        "open": "Whether the conclusion holds at {} times the steps is open",
        "turns over": "The conclusion turns over at {} times the steps",
    }
    return tuple((says[at.answer].format(at.length), at.conclusion) for at in tuning.lengths)


def best_text(metric: Metric, best: BestOf) -> str:
    """ "0.75 [0.58, 0.83]", "0.93 (at least 0.83)"; alone without a bound."""
    value = metric.text(best.value)
    low, high = (math.isfinite(end) for end in (best.low, best.high))
    if low and high:
        return f"{value} {interval_text(metric, (best.low, best.high))}"
    if low:
        return f"{value} (at least {metric.text(best.low)})"
    return f"{value} (at most {metric.text(best.high)})" if high else value


def share_text(share: Share) -> str:
    """ "1 of 16 [0.01, 0.28]"."""
    if share.interval is None:
        return "-"
    low, high = share.interval
    return f"{share.hits} of {share.of} [{low:.2f}, {high:.2f}]"


def _mean(metric: Metric, mean: Mean | None) -> str:
    if mean is None or not mean.n:
        return "-"
    text = metric.text(mean.mean)
    return (
        text if mean.interval is None else f"{text} ± {metric.text(mean.interval[1] - mean.mean)}"
    )


def _interval(metric: Metric, mean: Mean) -> str:
    return "-" if mean.interval is None else interval_text(metric, mean.interval, signed=True)


def _value(value: float) -> str:
    return f"{value:.3g}"


def _time(seconds: float) -> str:
    """ "40 s", "12 min", "1.4 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
