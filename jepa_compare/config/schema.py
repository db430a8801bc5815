"""The typed configuration of a run: names, types, units and allowed values. No defaults.

Every value is written in `conf/`; these classes say what may be written there. `aux_loss`, `data`
and `model.encoder` are open nodes, because user code plugs in there: their keys are checked
against the constructor that their `_target_` names (see `build`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jepa_compare.checks import ConfigError, require, require_one_of
from jepa_compare.config import bounds
from jepa_compare.config.bounds import above, at_least, between, one_of, satisfying
from jepa_compare.config.evaluation import EvaluationSettings
from jepa_compare.config.typed import from_plain
from jepa_compare.runs.identity import ADDED

AUX_LOSS_KEYS = (
    "name",
    "weight",
    "target",
    "target_decay",
    "final_target_decay",
    "allow_inert_target",
    "search",
    "_target_",
)
"""The keys of the `aux_loss` node that are not arguments of the loss's constructor."""
OPTIONAL_AUX_LOSS_KEYS = ("final_target_decay", "allow_inert_target", "search")
REMOVED = ("evaluation.figures.decoder_steps",)
"""Keys of earlier versions that no number depended on: stored configurations may have them."""


def _without(node: Mapping[str, Any], key: str, *further: str) -> Mapping[str, Any]:
    """Plain data without what stands under `key`, or deeper in it."""
    inner = node.get(key)
    if further:
        return {**node, key: _without(inner, *further)} if isinstance(inner, Mapping) else node
    return {name: value for name, value in node.items() if name != key}


def _with(node: Mapping[str, Any], value: Any, key: str, *further: str) -> Mapping[str, Any]:
    """Plain data with `value` under `key`, or deeper in it, unless something stands there."""
    if not further:
        return {key: value, **node}
    inner = node.get(key)
    return {**node, key: _with(inner, value, *further)} if isinstance(inner, Mapping) else node


def _has(*keys: str) -> Any:
    written = " and ".join(f"`{key}`" for key in keys)
    return satisfying(lambda node: set(keys) <= node.keys(), f"a node with {written}")


def _is_device(name: str) -> bool:
    kind, _, index = name.partition(":")
    return name in ("auto", "cpu", "cuda") or (kind == "cuda" and index.isdigit())


def _is_directory_name(name: str) -> bool:
    letters = name.replace("-", "").replace("_", "").replace(".", "")
    return letters.isalnum() and not name.startswith(".")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(kw_only=True, slots=True)
class TrainingConfig:
    """How long, on what, and with which optimiser."""

    steps: int = at_least(1)
    """Optimiser steps."""
    batch_size: int = at_least(2)
    """Trajectories per step."""
    frames: int = at_least(2)
    """Frames per trajectory (t)."""
    rollout_steps: int = at_least(1)
    """Predicted steps per trajectory (k), at most frames - 1."""
    lr: float = above(0)
    """AdamW's peak learning rate."""
    weight_decay: float = at_least(0)
    """AdamW's decoupled weight decay."""
    warmup_steps: int = at_least(0)
    """Steps of linear warm-up, followed by a cosine."""
    final_lr_fraction: float = between(0, 1)
    """The cosine's end, as a fraction of lr."""
    grad_clip: float = above(0)
    """Largest gradient norm."""
    grad_clip_scope: str = one_of("all", "module")
    """all: one norm over all parameters; module: one each for encoder, predictor and the rest."""
    precision: str = one_of("auto", "float32", "bfloat16")
    """float32 | bfloat16 | auto (bfloat16 autocast on CUDA, float32 elsewhere)."""
    compile: str = one_of("off", "default", "cudagraphs", "auto")
    """off | default | cudagraphs | auto (measured at the start)."""
    num_threads: int = at_least(1)
    """CPU threads; part of a run's identity, because it changes the rounding."""
    log_interval: int = at_least(1)
    """Steps between rows of metrics."""
    gradient_interval: int = at_least(1)
    """Steps between measurements of the gradient norms of prediction and auxiliary loss at the
    encoder."""
    checkpoint_interval: int = at_least(1)
    """Steps between checkpoints."""
    on_collapse: str = one_of("warn", "stop")
    """warn: say so and go on; stop: end the run there, evaluated as it is."""
    retries: int = at_least(0)
    """How often a job that raised is continued from its last checkpoint before it has failed."""
    stall_timeout: float | None = above(0)
    """Seconds without a finished step, measure or picture after which a run has failed; None: it
    may take as long as it likes. Longer than the longest of these, a compilation too."""

    def check_together(self) -> None:
        """Raise RangeError unless the steps fit into one another."""
        last = self.frames - 1
        allowed = f"at most training.frames - 1 = {last}"
        require(self.rollout_steps <= last, "rollout_steps", self.rollout_steps, allowed)
        allowed = f"between 0 and training.steps={self.steps}"
        require(self.warmup_steps <= self.steps, "warmup_steps", self.warmup_steps, allowed)


@dataclass(kw_only=True, slots=True)
class ModelConfig:
    """Encoder and predictor."""

    name: str
    dim: int = at_least(2)
    """Latent dimensions (d)."""
    encoder: dict[str, Any] = _has("_target_")
    """`_target_` and the arguments of its constructor, which also gets `obs_shape` and `dim`."""
    predictor: dict[str, Any] = _has("_target_")
    """`_target_` and the arguments of its constructor, which also gets `dim`, `action_dim` and the
    encoder's `norm`."""


@dataclass(kw_only=True, slots=True)
class TrackingConfig:
    """Weights & Biases. It never prompts, blocks or fails a run."""

    name: str
    mode: str = one_of("auto", "online", "offline", "disabled")
    """auto (online only when a key is found, else offline) | online | offline | disabled"""
    project: str
    entity: str | None
    """None: the account's default."""
    tags: list[str]
    init_timeout: float = above(0)
    """Seconds to wait for the server before going on offline."""


@dataclass(kw_only=True, slots=True)
class Config:
    """One run."""

    aux_loss: dict[str, Any]
    """`AUX_LOSS_KEYS` and the arguments of the loss's constructor, which also gets `dim`."""
    helper: dict[str, Any] = _has("name")
    """`name`; each further key is a helper term's node: `_target_`, `weight` and the arguments of
    its constructor, which also gets `dim` and `action_dim`."""
    model: ModelConfig
    data: dict[str, Any] = _has("name", "_target_")
    """`name`, `_target_` and the arguments of the world's constructor."""
    training: TrainingConfig
    evaluation: EvaluationSettings
    tracking: TrackingConfig
    seed: int = at_least(0)
    device: str = satisfying(_is_device, "one of auto, cpu, cuda, cuda:<index>")
    """auto (CUDA when there is one) | cpu | cuda | cuda:<index>; enters the run's identity as it is
    asked for, what it resolved to stands in summary.json."""
    sweep: str | None = satisfying(
        _is_directory_name, "a directory name of letters, digits, '-', '_' and '.'"
    )
    """Name of the directory that the runs of one comparison share; None: a fresh one."""

    @classmethod
    def from_plain(cls, config: Mapping[str, Any], source: Path) -> "Config":
        """The configuration that the file `source` holds as plain data, of this version or an
        earlier one: what is gone is left out, what is `ADDED` since is as it was.

        Raises ConfigError, in one line, if it is another version's.
        """
        for key in REMOVED:
            config = _without(config, *key.split("."))
        for key, value in ADDED.items():
            config = _with(config, value, *key.split("."))
        try:
            return from_plain(cls, config)
        except ConfigError as error:
            raise ConfigError(f"{source} is no configuration of this version ({error})") from error

    def check(self) -> None:
        """Raise a ConfigError for the first value out of range."""
        bounds.check(self)

    def check_together(self) -> None:
        """Raise RangeError for the open nodes, whose own keys have no dataclass."""
        node = self.aux_loss
        needed = [key for key in AUX_LOSS_KEYS if key not in OPTIONAL_AUX_LOSS_KEYS]
        missing = [key for key in needed if key not in node]
        require(not missing, "aux_loss", f"<no {', '.join(missing)}>", "a node with these keys")
        weight, decay = node["weight"], node["target_decay"]
        usable = _is_number(weight) and weight >= 0
        require(usable, "aux_loss.weight", weight, "a number of at least 0")
        usable = _is_number(decay) and 0 <= decay <= 1
        require(usable, "aux_loss.target_decay", decay, "between 0 and 1")
        final = node.get("final_target_decay")
        usable = final is None or (_is_number(final) and 0 <= final <= 1)
        require(usable, "aux_loss.final_target_decay", final, "null or between 0 and 1")
        require_one_of("aux_loss.target", str(node["target"]), ("shared", "stop_grad", "ema"))
        for name, term in self.helper.items():
            if name == "name":
                continue
            whole = isinstance(term, dict) and {"_target_", "weight"} <= term.keys()
            require(whole, f"helper.{name}", term, "a node with `_target_` and `weight`")
            usable = _is_number(term["weight"]) and term["weight"] >= 0
            require(usable, f"helper.{name}.weight", term["weight"], "at least 0")
