"""What an evaluation may be told: names, types, units and allowed values. No defaults, no torch.

The values are in `conf/evaluation/`. `check` raises a one-line ValueError that names the key, the
value and what is allowed.
"""

from dataclasses import asdict, dataclass
from typing import Any

from jepa_compare.runs.identity import without_idle

EVALUATION_VERSION = 2
"""Raise it with every change of the code that moves a number of an evaluation or a floor while the
settings stay: of a planner, a metric, the probe, a world or its tasks. What was stored before is
then not taken for the same."""


def _require(condition: bool, key: str, value: Any, allowed: str) -> None:
    if not condition:
        raise ValueError(f"evaluation.{key}={value}: must be {allowed}")


@dataclass(kw_only=True, slots=True)
class PlannerSettings:
    """The optimiser that turns a goal into actions."""

    kind: str
    """cem | mppi"""
    horizon: int
    """Longest plan, environment steps; a plan never looks past the end of the episode."""
    samples: int
    """Candidate plans per iteration."""
    elites: int
    """Best candidates that the next iteration is fitted to, 2 to samples."""
    iterations: int
    """Iterations per plan."""
    initial_std: float
    """Standard deviation of the first iteration's candidates, px per coordinate."""
    max_action_norm: float | None
    """Longer actions of a candidate are cut to this many px; None leaves them as drawn."""
    temperature: float | None
    """mppi only: multiplies the cost gap in the weights of the elites; None for cem."""
    execute: str
    """What is executed of the last elites. cem: their mean, or the best one, which keeps a way
    through a door that a mean would blur; mppi: sample, one drawn with its weight."""
    warm_start: bool
    """Whether a plan starts from what the plan before it left, or from zero."""
    cost: str
    """l2: sum over the horizon of the latent distance; mse: of the mean squared difference."""

    def check(self) -> None:
        """Raise a ValueError for the first value out of range."""
        _require(self.kind in ("cem", "mppi"), "planning.planner.kind", self.kind, "cem or mppi")
        _require(self.cost in ("l2", "mse"), "planning.planner.cost", self.cost, "l2 or mse")
        for name in ("horizon", "iterations"):
            value = getattr(self, name)
            _require(value >= 1, f"planning.planner.{name}", value, "at least 1")
        _require(self.samples >= 2, "planning.planner.samples", self.samples, "at least 2")
        allowed = f"between 2 and planning.planner.samples={self.samples}"
        _require(2 <= self.elites <= self.samples, "planning.planner.elites", self.elites, allowed)
        for name in ("initial_std", "max_action_norm"):
            value = getattr(self, name)
            _require(value is None or value > 0, f"planning.planner.{name}", value, "above 0")
        executed = ("sample",) if self.kind == "mppi" else ("mean", "best")
        allowed = f"{' or '.join(executed)} for {self.kind}"
        _require(self.execute in executed, "planning.planner.execute", self.execute, allowed)
        if self.kind == "mppi":
            usable = self.temperature is not None and self.temperature > 0
            _require(usable, "planning.planner.temperature", self.temperature, "above 0 for mppi")
        else:
            unset = self.temperature is None
            _require(unset, "planning.planner.temperature", self.temperature, "null for cem")


@dataclass(kw_only=True, slots=True)
class PlanningSettings:
    """The planning tasks and how they are acted in."""

    kinds: list[str]
    """Kinds of tasks, of those that the world has; [] plans nothing."""
    tasks: int
    """Tasks of each kind, the same for every loss and seed."""
    steps: int
    """Environment steps per task."""
    replan_interval: int
    """Environment steps between two plans."""
    chunk: int
    """Tasks planned at once: bounds the memory, changes no result."""
    planner: PlannerSettings

    def check(self) -> None:
        """Raise a ValueError for the first value out of range."""
        for name in ("tasks", "steps", "replan_interval", "chunk"):
            value = getattr(self, name)
            _require(value >= 1, f"planning.{name}", value, "at least 1")
        unique = len(set(self.kinds)) == len(self.kinds)
        _require(unique, "planning.kinds", self.kinds, "a list without repetition")
        self.planner.check()
        horizon = self.planner.horizon
        allowed = f"at most planning.planner.horizon={horizon}"
        _require(
            self.replan_interval <= horizon,
            "planning.replan_interval",
            self.replan_interval,
            allowed,
        )


@dataclass(kw_only=True, slots=True)
class FigureSettings:
    """What people look at; no metric depends on it."""

    enabled: bool
    """Whether a run draws figures at its end."""
    decoder_steps: int
    """Optimiser steps of the decoder that makes latents visible."""
    rollouts: int
    """Trajectories in the figure of rollouts."""
    episodes: int
    """Planning episodes per kind whose paths are kept and drawn."""
    gif_episodes: int
    """Planning episodes per kind in the GIF, at most episodes."""

    def check(self) -> None:
        """Raise a ValueError for the first value out of range."""
        for name in ("decoder_steps", "rollouts"):
            value = getattr(self, name)
            _require(value >= 1, f"figures.{name}", value, "at least 1")
        _require(self.episodes >= 0, "figures.episodes", self.episodes, "at least 0")
        _require(
            0 <= self.gif_episodes <= self.episodes,
            "figures.gif_episodes",
            self.gif_episodes,
            f"between 0 and figures.episodes={self.episodes}",
        )


@dataclass(kw_only=True, slots=True)
class EvaluationSettings:
    """How a model is evaluated, at the end, at intervals and afterwards."""

    seed: int
    """Of the evaluation's own random streams, which training never draws from."""
    interval: int
    """Training steps between probes and rollouts."""
    collapse_interval: int
    """Training steps between looks at the spread and spectrum of the latents."""
    frames: int
    """Frames per trajectory."""
    trajectories: int
    """Trajectories in the probe's training set, and in each held-out set."""
    held_out_sets: int
    """Disjoint sets that the probe is scored on."""
    collapse_trajectories: int
    """Trajectories, the first of the first held-out set, whose latents the collapse metrics see;
    each is one class of LiDAR."""
    rollout_steps: list[int]
    """Steps ahead (k) at which rollouts are scored, each at most frames - 1."""
    planning: PlanningSettings
    figures: FigureSettings

    def identity(self) -> dict[str, Any]:
        """What decides the results, as plain data: two settings that agree in it give the same
        metrics. When and how much is drawn or held in memory is left out."""
        kept = without_idle(asdict(self), {}, "evaluation")
        return kept | {"version": EVALUATION_VERSION}

    def check(self) -> None:
        """Raise a ValueError for the first value out of range."""
        _require(self.seed >= 0, "seed", self.seed, "at least 0")
        for name in ("interval", "collapse_interval", "held_out_sets"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        _require(self.frames >= 2, "frames", self.frames, "at least 2")
        _require(self.trajectories >= 2, "trajectories", self.trajectories, "at least 2")
        _require(
            2 <= self.collapse_trajectories <= self.trajectories,
            "collapse_trajectories",
            self.collapse_trajectories,
            f"between 2 and trajectories={self.trajectories}",
        )
        steps = self.rollout_steps
        distinct = bool(steps) and len(set(steps)) == len(steps)
        _require(
            distinct and min(steps) >= 1 and max(steps) < self.frames,
            "rollout_steps",
            steps,
            f"different steps between 1 and frames - 1 = {self.frames - 1}",
        )
        self.planning.check()
        self.figures.check()
