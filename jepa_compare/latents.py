"""What travels between the parts: a batch of observations, and the latents made from it.

Shape legend: b trajectories, t frames, k rollout steps (k <= t - 1), d latent dimensions,
c h w a frame, f features of a vector, a action dimensions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One batch of trajectories, whatever the regime.

    An action-conditioned world model has t > 1 frames and actions; a two-view image JEPA has
    t = 2 and `actions=None` (the second view is the target). Labels and reward are for the
    evaluation only: training drops them before the model sees the batch (`for_training`).
    """

    obs: Float[Tensor, "b t *obs"]
    """Frames [b t c h w], or vectors [b t f]."""
    actions: Float[Tensor, "b t-1 a"] | None
    labels: Mapping[str, Float[Tensor, "b t ..."]] = field(default_factory=dict)
    """Ground truth of every frame, by the names of the source's columns."""
    reward: Float[Tensor, "b t-1"] | None = None

    def for_training(self) -> "Batch":
        """The same batch as training may see it."""
        return Batch(obs=self.obs, actions=self.actions)


@dataclass(frozen=True, kw_only=True)
class Latents:
    """What an auxiliary loss is given.

    `z_pred` and `z_target` share their leading axes position by position. A gradient reaches
    `z_target` only when the run's target encoder is `shared`.
    """

    z_pred: Float[Tensor, "*pos d"]
    """Predictor output per target position, [b k d] in a rollout."""
    z_target: Float[Tensor, "*pos d"]
    """Target encoder output at the same positions."""
    z_context: Float[Tensor, "*frames d"]
    """Online encoder output of every frame, [b t d]."""
