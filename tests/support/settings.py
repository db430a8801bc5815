"""The evaluation settings of `conf/evaluation/`, with a few values changed."""

import copy
import functools
from typing import Any

from jepa_compare.config.compose import compose, composition, plain
from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.config.typed import from_plain


@functools.cache
def _preset(name: str) -> dict[str, Any]:
    with composition():
        return plain(compose([f"evaluation={name}"]))["evaluation"]


def load_settings(name: str, **overrides: Any) -> EvaluationSettings:
    """The settings of one YAML; `planning__tasks=3` overrides `planning.tasks`."""
    settings = copy.deepcopy(_preset(name))
    for key, value in overrides.items():
        *path, last = key.split("__")
        node = settings
        for part in path:
            node = node[part]
        node[last] = value
    return from_plain(EvaluationSettings, settings)
