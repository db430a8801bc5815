"""What an evaluation on disk calls its metrics, against what the code says of them."""

from collections.abc import Mapping
from dataclasses import replace

from jepa_compare.metrics import Metric, described
from jepa_compare.runs.codec import encode
from jepa_compare.runs.evaluation_records import Description
from jepa_compare.runs.untrusted import Damaged, named, shown


def read_descriptions(descriptions: Mapping[str, Description], file: str) -> dict[str, Metric]:
    """By key, from the evaluation in `file`; for a built-in metric the code's description.

    Raises `Damaged` for what describes no metric, or a built-in one in another way.
    """
    metrics = {}
    for key, description in descriptions.items():
        texts = {name: shown(getattr(description, name)) for name in ("label", "unit", "about")}
        try:
            metric = Metric(key=named(key), **encode(replace(description, **texts)))
            metrics[metric.key] = described(metric)
        except ValueError as error:
            raise Damaged(f"{file}: {shown(error)}") from None
    return metrics
