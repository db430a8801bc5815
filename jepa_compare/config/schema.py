"""The typed configuration of a run: names, types, units and allowed values. No defaults.

Every value is written in `conf/`; these classes say what may be written there. `aux_loss`, `data`
and `model.encoder` are open nodes, because user code plugs in there: their keys are checked
against the constructor that their `_target_` names (see `build`).
"""

from dataclasses import dataclass
from typing import Any

from jepa_compare.checks import ConfigError, did_you_mean
from jepa_compare.config.evaluation import EvaluationSettings

AUX_LOSS_KEYS = ("name", "weight", "target", "target_decay", "allow_inert_target", "_target_")
"""The keys of the `aux_loss` node that are not arguments of the loss's constructor."""


def require(condition: bool, key: str, value: Any, allowed: str) -> None:
    """Raise a ConfigError unless `condition`."""
    if not condition:
        raise ConfigError(f"{key}={value}: must be {allowed}")


def one_of(key: str, value: str, options: tuple[str, ...]) -> None:
    """Raise a ConfigError unless `value` is one of `options`."""
    hint = did_you_mean(value, options)
    require(value in options, key, value, f"one of {', '.join(options)}{hint}")


@dataclass(kw_only=True, slots=True)
class TrainingConfig:
    """How long, on what, and with which optimiser."""

    steps: int
    """Optimiser steps."""
    batch_size: int
    """Trajectories per step."""
    frames: int
    """Frames per trajectory (t)."""
    rollout_steps: int
    """Predicted steps per trajectory (k), at most frames - 1."""
    lr: float
    """AdamW's peak learning rate."""
    weight_decay: float
    """AdamW's decoupled weight decay."""
    warmup_steps: int
    """Steps of linear warm-up, followed by a cosine."""
    final_lr_fraction: float
    """The cosine's end, as a fraction of lr."""
    grad_clip: float
    """Largest gradient norm."""
    grad_clip_scope: str
    """all: one norm over all parameters; module: one each for encoder, predictor and the rest."""
    precision: str
    """float32 | bfloat16 | auto (bfloat16 autocast on CUDA, float32 elsewhere)."""
    compile: str
    """off | default | cudagraphs | auto (measured at the start)."""
    num_threads: int
    """CPU threads; part of a run's identity, because it changes the rounding."""
    log_interval: int
    """Steps between rows of metrics."""
    gradient_interval: int
    """Steps between measurements of who pulls at the encoder."""
    checkpoint_interval: int
    """Steps between checkpoints."""
    on_collapse: str
    """warn: say so and go on; stop: end the run there, evaluated as it is."""
    retries: int
    """How often a job that raised is continued from its last checkpoint before it has failed."""

    def check(self) -> None:
        """Raise a ConfigError for the first value out of range."""
        for name in ("steps", "rollout_steps", "num_threads", "log_interval"):
            require(getattr(self, name) >= 1, f"training.{name}", getattr(self, name), "at least 1")
        for name in ("gradient_interval", "checkpoint_interval"):
            require(getattr(self, name) >= 1, f"training.{name}", getattr(self, name), "at least 1")
        require(self.batch_size >= 2, "training.batch_size", self.batch_size, "at least 2")
        require(self.frames >= 2, "training.frames", self.frames, "at least 2")
        require(
            self.rollout_steps <= self.frames - 1,
            "training.rollout_steps",
            self.rollout_steps,
            f"at most training.frames - 1 = {self.frames - 1}",
        )
        require(self.lr > 0, "training.lr", self.lr, "above 0")
        require(self.weight_decay >= 0, "training.weight_decay", self.weight_decay, "at least 0")
        require(
            0 <= self.warmup_steps <= self.steps,
            "training.warmup_steps",
            self.warmup_steps,
            f"between 0 and training.steps={self.steps}",
        )
        require(
            0 <= self.final_lr_fraction <= 1,
            "training.final_lr_fraction",
            self.final_lr_fraction,
            "between 0 and 1",
        )
        require(self.grad_clip > 0, "training.grad_clip", self.grad_clip, "above 0")
        require(self.retries >= 0, "training.retries", self.retries, "at least 0")
        one_of("training.grad_clip_scope", self.grad_clip_scope, ("all", "module"))
        one_of("training.precision", self.precision, ("auto", "float32", "bfloat16"))
        one_of("training.compile", self.compile, ("off", "default", "cudagraphs", "auto"))
        one_of("training.on_collapse", self.on_collapse, ("warn", "stop"))


@dataclass(kw_only=True, slots=True)
class ModelConfig:
    """Encoder and predictor."""

    name: str
    dim: int
    """Latent dimensions (d)."""
    encoder: dict[str, Any]
    """`_target_` and the arguments of its constructor, which also gets `obs_shape` and `dim`."""
    predictor: dict[str, Any]
    """`_target_` and the arguments of its constructor, which also gets `dim`, `action_dim` and the
    encoder's `norm`."""

    def check(self) -> None:
        """Raise a ConfigError for the first value out of range."""
        require(self.dim >= 2, "model.dim", self.dim, "at least 2")
        for part, node in (("encoder", self.encoder), ("predictor", self.predictor)):
            require("_target_" in node, f"model.{part}", node, "a node with a `_target_`")


@dataclass(kw_only=True, slots=True)
class TrackingConfig:
    """Weights & Biases. It never prompts, blocks or fails a run."""

    name: str
    mode: str
    """auto (online only when a key is found, else offline) | online | offline | disabled"""
    project: str
    entity: str | None
    """None: the account's default."""
    tags: list[str]
    init_timeout: float
    """Seconds to wait for the server before going on offline."""

    def check(self) -> None:
        """Raise a ConfigError for the first value out of range."""
        one_of("tracking.mode", self.mode, ("auto", "online", "offline", "disabled"))
        require(self.init_timeout > 0, "tracking.init_timeout", self.init_timeout, "above 0")


@dataclass(kw_only=True, slots=True)
class Config:
    """One run."""

    aux_loss: dict[str, Any]
    """`AUX_LOSS_KEYS` and the arguments of the loss's constructor, which also gets `dim`."""
    helper: dict[str, Any]
    """`name`; each further key is a helper term's node: `_target_`, `weight` and the arguments of
    its constructor, which also gets `dim` and `action_dim`."""
    model: ModelConfig
    data: dict[str, Any]
    """`name`, `_target_` and the arguments of the world's constructor."""
    training: TrainingConfig
    evaluation: EvaluationSettings
    tracking: TrackingConfig
    seed: int
    device: str
    """auto (CUDA when there is one) | cpu | cuda | cuda:<index>"""
    sweep: str | None
    """Name of the directory that the runs of one comparison share; None: a fresh one."""

    def check(self) -> None:
        """Raise a ConfigError for the first value out of range."""
        require(self.seed >= 0, "seed", self.seed, "at least 0")
        known = self.device in ("auto", "cpu", "cuda") or (
            self.device.startswith("cuda:") and self.device[5:].isdigit()
        )
        require(known, "device", self.device, "one of auto, cpu, cuda, cuda:<index>")
        if self.sweep is not None:
            plain = self.sweep.replace("-", "").replace("_", "").replace(".", "").isalnum()
            require(
                plain and not self.sweep.startswith("."),
                "sweep",
                self.sweep,
                "a directory name of letters, digits, '-', '_' and '.'",
            )
        self._check_aux_loss()
        require(
            "name" in self.data and "_target_" in self.data, "data", self.data, "a world's node"
        )
        self._check_helper()
        for part in (self.model, self.training, self.tracking):
            part.check()
        try:
            self.evaluation.check()
        except ValueError as error:
            raise ConfigError(str(error)) from error

    def _check_helper(self) -> None:
        require("name" in self.helper, "helper", self.helper, "a node with a `name`")
        for name, node in self.helper.items():
            if name == "name":
                continue
            whole = isinstance(node, dict) and {"_target_", "weight"} <= node.keys()
            require(whole, f"helper.{name}", node, "a node with `_target_` and `weight`")
            weight = node["weight"]
            number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
            require(number and weight >= 0, f"helper.{name}.weight", weight, "at least 0")

    def _check_aux_loss(self) -> None:
        node = self.aux_loss
        missing = [key for key in AUX_LOSS_KEYS if key not in node and key != "allow_inert_target"]
        require(not missing, "aux_loss", f"<no {', '.join(missing)}>", "a node with these keys")
        weight, decay = node["weight"], node["target_decay"]
        number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
        require(number and weight >= 0, "aux_loss.weight", weight, "a number of at least 0")
        number = isinstance(decay, (int, float)) and not isinstance(decay, bool)
        require(number and 0 <= decay <= 1, "aux_loss.target_decay", decay, "between 0 and 1")
        one_of("aux_loss.target", str(node["target"]), ("shared", "stop_grad", "ema"))
