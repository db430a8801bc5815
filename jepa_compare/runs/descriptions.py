"""What an evaluation on disk calls its metrics, against what the code says of them."""

from collections.abc import Mapping
from dataclasses import replace

from jepa_compare.metrics import Metric, described
from jepa_compare.runs.codec import decode, encode
from jepa_compare.runs.records import Description
from jepa_compare.runs.untrusted import Damaged, named, shown


def read_descriptions(descriptions: Mapping[str, Description]) -> dict[str, Metric]:
    """By key, from an `EvaluationFile`; for a built-in metric the code's description.

    Raises `Damaged` for what does not describe a metric, or a built-in one in another way.
    """
    metrics = {}
    for key, description in descriptions.items():
        name = f"descriptions.{shown(key)}"
        try:
            metric = decode(Metric, {**encode(description), "key": named(key)}, name)
            texts = {text: shown(getattr(metric, text)) for text in ("label", "unit", "about")}
            metrics[metric.key] = described(replace(metric, **texts))
        except Damaged:
            raise
        except ValueError as error:
            raise Damaged(f"{name}: {shown(error)}") from None
    return metrics
