"""The contract of a measure: some metrics of a model, from what an evaluation holds of it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from torch import Tensor

from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.evaluation.measures.context import EvaluationContext, Need
from jepa_compare.metrics import Metric

Cadence = Literal["collapse_interval", "interval", "end"]
CADENCES: tuple[Cadence, ...] = ("collapse_interval", "interval", "end")
"""The most frequent first; what is measured at one of them is also measured at the later ones."""


class Measure(ABC):
    """One node of `evaluation.measures`, built as `Target(**the YAML's own arguments)`."""

    metrics: ClassVar[tuple[Metric, ...]] = ()
    """Descriptions of its metrics, except of those that `jepa_compare.metrics` describes."""
    needs: ClassVar[frozenset[Need]] = frozenset()
    """What the source must have; where it lacks something, this is simply not measured."""
    cadence: ClassVar[Cadence] = "end"
    """Measured every `evaluation.collapse_interval` or `evaluation.interval` steps and at the end,
    or there alone."""

    def configure(self, name: str, settings: EvaluationSettings) -> None:  # noqa: B027
        """Called once, after it is built, with its name in `evaluation.measures`. Raises
        ConfigError for arguments that do not fit the settings. Nothing by default."""

    def unit(self, context: EvaluationContext) -> str:
        """Of its metrics that `jepa_compare.metrics` describes, of those that are errors or
        distances."""
        return ""

    @abstractmethod
    def measure(self, context: EvaluationContext) -> Mapping[str, Tensor | float | None]:
        """Values by key ("eval/..."), without gradients and with the model in evaluation mode; a
        tensor of one number stays on its device. None where there is nothing to average."""

    def details(self, context: EvaluationContext) -> dict[str, Any]:
        """What stands beside the metrics of the evaluation at the end: `tasks`, `episodes` or
        `spectrum` of an `Evaluation`. Nothing by default."""
        return {}
