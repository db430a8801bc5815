"""What an evaluation may be told: names, types, units and allowed values. No defaults, no torch.

The values are in `conf/evaluation/`.
"""

from dataclasses import asdict, dataclass
from typing import Any

from jepa_compare.checks import require
from jepa_compare.config import bounds
from jepa_compare.config.bounds import above, at_least, each_above, one_of, satisfying
from jepa_compare.runs.identity import without_idle

EVALUATION_VERSION = 3
"""Raise it with every change of the code that moves a number of an evaluation or a floor while the
settings stay: of a planner, a metric, the probe, a world or its tasks. What was stored before is
then not taken for the same."""


def _has_no_repetition(items: list[Any]) -> bool:
    return len(set(items)) == len(items)


def _is_task_seed(value: Any) -> bool:
    seeds = value if isinstance(value, list) else [value]
    # bool is an int to Python
    whole = all(isinstance(seed, int) and not isinstance(seed, bool) for seed in seeds)
    return bool(seeds) and whole and min(seeds) >= 0 and _has_no_repetition(seeds)


@dataclass(kw_only=True, slots=True)
class PlannerSettings:
    """The optimiser that turns a goal into actions."""

    kind: str = one_of("cem", "mppi")
    """cem | mppi"""
    horizon: int = at_least(1)
    """Longest plan, environment steps; a plan never looks past the end of the episode."""
    samples: int = at_least(2)
    """Candidate plans per iteration."""
    elites: int = at_least(2)
    """Best candidates that the next iteration is fitted to, 2 to samples."""
    iterations: int = at_least(1)
    """Iterations per plan."""
    initial_std: float = above(0)
    """Standard deviation of the first iteration's candidates, px per coordinate."""
    max_action_norm: float | None = above(0)
    """Longer actions of a candidate are cut to this many px; None leaves them as drawn."""
    temperature: float | None = above(0)
    """mppi only: multiplies the cost gap in the weights of the elites; None for cem."""
    execute: str
    """What is carried out of the last elites. cem: their mean, or the best one, which keeps a way
    through a door that a mean would blur; mppi: sample, one drawn with its weight."""
    warm_start: bool
    """Whether a plan starts from what the plan before it left, or from zero."""
    cost: str = one_of("l2", "mse")
    """l2: sum over the horizon of the latent distance; mse: of the mean squared difference."""

    def check_together(self) -> None:
        """Raise RangeError unless the values fit the kind of planner and one another."""
        allowed = f"between 2 and planning.planner.samples={self.samples}"
        require(self.elites <= self.samples, "elites", self.elites, allowed)
        choices = ("sample",) if self.kind == "mppi" else ("mean", "best")
        allowed = f"{' or '.join(choices)} for {self.kind}"
        require(self.execute in choices, "execute", self.execute, allowed)
        fits = (self.temperature is None) == (self.kind == "cem")
        allowed = "null for cem" if self.kind == "cem" else "above 0 for mppi"
        require(fits, "temperature", self.temperature, allowed)


@dataclass(kw_only=True, slots=True)
class PlanningSettings:
    """The planning tasks and how they are acted in."""

    kinds: list[str] = satisfying(_has_no_repetition, "a list without repetition")
    """Kinds of tasks, of those that the world has; [] plans nothing."""
    tasks: int = at_least(1)
    """Tasks of each kind, the same for every loss and seed."""
    steps: int = at_least(1)
    """Environment steps per task."""
    replan_interval: int = at_least(1)
    """Environment steps between two plans."""
    chunk: int = at_least(1)
    """Tasks planned at once: bounds the memory, changes no result."""
    planner: PlannerSettings

    def check_together(self) -> None:
        """Raise RangeError unless a plan is as long as the part of it that is carried out."""
        horizon = self.planner.horizon
        allowed = f"at most planning.planner.horizon={horizon}"
        require(self.replan_interval <= horizon, "replan_interval", self.replan_interval, allowed)


@dataclass(kw_only=True, slots=True)
class FigureSettings:
    """What people look at; no metric depends on it."""

    enabled: bool
    """Whether a run draws figures at its end."""
    rollouts: int = at_least(1)
    """Trajectories in the figure of rollouts."""
    episodes: int = at_least(0)
    """Planning episodes per kind whose paths are kept and drawn."""
    gif_episodes: int = at_least(0)
    """Planning episodes per kind in the GIF, at most episodes."""

    def check_together(self) -> None:
        """Raise RangeError unless the episodes in the GIF are among those that are kept."""
        allowed = f"between 0 and figures.episodes={self.episodes}"
        require(self.gif_episodes <= self.episodes, "gif_episodes", self.gif_episodes, allowed)


@dataclass(kw_only=True, slots=True)
class EvaluationSettings:
    """How a model is evaluated, at the end, at intervals and afterwards."""

    seed: int = at_least(0)
    """Of the evaluation's own random streams, which training never draws from. Each of the next
    three follows it where it is null, and varies one part alone."""
    task_seed: Any = satisfying(
        _is_task_seed, "null, an int of at least 0, or a list of different ones"
    )
    """Of planning tasks, the environment's noise and the reference policies' draws. A list pools
    task sets: each seed makes planning.tasks tasks of each kind, and metrics are means over all
    of them, in the order of the list."""
    probe_seed: int | None = at_least(0)
    """Of the held-out trajectories, on which probes, rollouts and collapse are measured."""
    planner_seed: int | None = at_least(0)
    """Of the planner's own draws, the same for every set of tasks."""
    interval: int = at_least(1)
    """Training steps between probes and rollouts."""
    collapse_interval: int = at_least(1)
    """Training steps between measurements of the spread and spectrum of the latents."""
    frames: int = at_least(2)
    """Frames per trajectory."""
    trajectories: int = at_least(2)
    """Trajectories in the probe's training set, and in each held-out set."""
    held_out_sets: int = at_least(1)
    """Disjoint sets that the probe is scored on."""
    collapse_trajectories: int = at_least(2)
    """Trajectories, the first of the first held-out set, whose latents the collapse metrics see;
    each is one class of LiDAR."""
    rollout_steps: list[int]
    """Steps ahead (k) at which rollouts are scored, each at most frames - 1."""
    measures: dict[str, Any]
    """What is measured, in the order of its metrics: by name a node of `_target_`, which is an
    `evaluation.Measure`, and the arguments of its constructor."""
    smallest_effect: dict[str, float] = each_above(0)
    """Smallest difference of interest between two losses, in the metric's unit, by the metric's
    name (its key without "eval/"). No number of an evaluation depends on it; a comparison calls
    nothing equal by a metric that is not here."""
    planning: PlanningSettings
    figures: FigureSettings

    def task_seeds(self) -> list[int]:
        """The seed of each set of tasks."""
        if self.task_seed is None:
            return [self.seed]
        return self.task_seed if isinstance(self.task_seed, list) else [self.task_seed]

    def held_out_seed(self) -> int:
        """`probe_seed`, or what it follows."""
        return self.seed if self.probe_seed is None else self.probe_seed

    def planning_seed(self) -> int:
        """`planner_seed`, or what it follows."""
        return self.seed if self.planner_seed is None else self.planner_seed

    def identity(self) -> dict[str, Any]:
        """What decides the results, as plain data: two settings that agree in it give the same
        metrics. When and how much is drawn or held in memory is left out, and so are seeds that
        are what they would follow: then this is what it was before they could be told apart."""
        kept = without_idle(asdict(self), {}, "evaluation")
        kept |= {
            "task_seed": self.task_seeds(),
            "probe_seed": self.held_out_seed(),
            "planner_seed": self.planning_seed(),
        }
        for key in ("task_seed", "probe_seed", "planner_seed"):
            if kept[key] in (self.seed, [self.seed]):
                del kept[key]
        return kept | {"version": EVALUATION_VERSION}

    def check(self) -> None:
        """Raise a ConfigError for the first value out of range."""
        bounds.check(self, "evaluation")

    def check_together(self) -> None:
        """Raise RangeError unless the sets and the steps are large enough for one another."""
        allowed = f"between 2 and trajectories={self.trajectories}"
        fits = self.collapse_trajectories <= self.trajectories
        require(fits, "collapse_trajectories", self.collapse_trajectories, allowed)
        steps, last = self.rollout_steps, self.frames - 1
        fits = bool(steps) and _has_no_repetition(steps) and min(steps) >= 1 and max(steps) <= last
        allowed = f"different steps between 1 and frames - 1 = {last}"
        require(fits, "rollout_steps", steps, allowed)
        for name, node in self.measures.items():
            fits = isinstance(node, dict) and "_target_" in node
            require(fits, f"measures.{name}", node, "a node with a `_target_`")
