"""What an evaluation and a floor hold on disk: one definition for writer and reader."""

from dataclasses import dataclass, field
from typing import Any, Literal

from jepa_compare.runs.records import Count, Finite

Column = list[bool | int | float | None]
"""A value per planning task."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """One recorded planning episode, for figures."""

    task: int
    """Its number, from 0."""
    success: bool
    """By the primary criterion."""
    steps: Count | None = None
    """Environment steps until the goal was reached; null if it never was."""
    path: list[list[Finite]]
    """Positions (x, y) before the first and after each step."""
    goal: list[Finite]
    """Position (x, y)."""
    walls: list[list[Finite]]
    """Rectangles (x0, y0, x1, y1)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What a metric is called, and how it is read."""

    label: str
    """For people."""
    unit: str = ""
    """Empty for a rate or a ratio."""
    better: Literal["higher", "lower"] | None = None
    """Null: neither direction is better."""
    downstream: bool = False
    """Whether losses may be ranked by it."""
    low: Finite | None = None
    """Smallest possible value, and `high` the largest; null: there is none."""
    high: Finite | None = None
    about: str
    """One sentence."""
    decimals: Count = 2
    """Of a table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationFile:
    """evaluations/<hash>.json: one evaluation of the trained model, named by its settings."""

    schema_version: int
    """Of this file; see `SCHEMA_VERSION`."""
    run: str = ""
    """Hash of the run that was evaluated; empty before version 3."""
    settings: dict[str, Any]
    """The `evaluation` node of the configuration."""
    step: Count
    """Optimiser steps after which it was made."""
    metrics: dict[str, float | None]
    """By key "eval/..."; null where there was nothing to average."""
    descriptions: dict[str, Description] = field(default_factory=dict)
    """By metric key. For built-in metrics the description in `jepa_compare.metrics` counts."""
    tasks: dict[str, dict[str, Column]]
    """By kind of planning task, columns of equal length: success, final_distance, steps."""
    episodes: dict[str, list[Episode]]
    """By kind, the first tasks."""
    spectrum: list[float]
    """Singular values of the centred latents divided by the largest."""
    seconds: float
    """Wall time of the evaluation."""
    floors: dict[str, str] = field(default_factory=dict)
    """As in the summary."""
    untrained: dict[str, float | None] = field(default_factory=dict)
    """As in the summary."""
    primary_metric: str | None = None
    """Key of the metric that decides on this source of data; null: the comparison's default."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FloorFile:
    """floors/<key>.json: what a reference policy, or the untrained model, yields on the same tasks.

    The key is a hash of all that the numbers depend on.
    """

    schema_version: int
    """Of this file; see `SCHEMA_VERSION`."""
    policy: str
    """Name in `jepa_compare.metrics`, or untrained."""
    seed: int | None
    """Of the untrained model's weights; null for policies."""
    metrics: dict[str, float | None]
    """By key "eval/..."."""
    tasks: dict[str, dict[str, Column]]
    """As in an evaluation."""
