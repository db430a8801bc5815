"""Predictors: a latent and an action to the next latent, rolled out over several steps.

Shape legend: b trajectories, k rollout steps, d latent dimensions, a action dimensions.
"""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Predictor(nn.Module, ABC):
    """Rolls a latent forward. `norm` is the encoder's last module and ends each prediction."""

    @abstractmethod
    def rollout(
        self, z0: Float[Tensor, "b d"], actions: Float[Tensor, "b k a"] | None, steps: int
    ) -> Float[Tensor, "b k d"]:
        """Predict `steps` latents after `z0`, each from the prediction before it.

        `actions` has one action per step, or is None in a regime without actions.
        """


class ResidualMLP(Predictor):
    """z + MLP([z, action embedding]), two hidden layers."""

    def __init__(
        self,
        *,
        dim: int,
        action_dim: int,
        hidden_dim: int,
        action_embedding_dim: int,
        norm: nn.Module,
    ) -> None:
        super().__init__()
        self.embed_action = nn.Linear(action_dim, action_embedding_dim) if action_dim else None
        inputs = dim + (action_embedding_dim if action_dim else 0)
        self.body = nn.Sequential(
            nn.Linear(inputs, hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, dim),
        )
        self.norm = norm

    def rollout(
        self, z0: Float[Tensor, "b d"], actions: Float[Tensor, "b k a"] | None, steps: int
    ) -> Float[Tensor, "b k d"]:
        if self.embed_action is None or actions is None:
            embedded = None
        else:
            embedded = self.embed_action(actions).unbind(1)  # k × [b e]
        z, predictions = z0, []
        for step in range(steps):
            inputs = z if embedded is None else torch.cat([z, embedded[step]], dim=1)
            z = self.norm(z + self.body(inputs))
            predictions.append(z)
        return torch.stack(predictions, dim=1)


class GRUPredictor(Predictor):
    """A GRU cell with the latent as its hidden state and the action as its input
    (Cho et al., arXiv 1406.1078, in cuDNN's variant: the reset gate after the product)."""

    def __init__(self, *, dim: int, action_dim: int, norm: nn.Module) -> None:
        super().__init__()
        self.action_dim = action_dim
        self.cell = nn.GRUCell(action_dim, dim)
        self.norm = norm

    def rollout(
        self, z0: Float[Tensor, "b d"], actions: Float[Tensor, "b k a"] | None, steps: int
    ) -> Float[Tensor, "b k d"]:
        if actions is None:
            actions = z0.new_zeros(z0.shape[0], steps, self.action_dim)
        # The gates' share of the actions does not depend on the state: one product for all steps.
        gates = F.linear(actions, self.cell.weight_ih, self.cell.bias_ih).unbind(1)  # k × [b 3d]
        h, predictions = z0, []
        for step in range(steps):
            reset_x, update_x, new_x = gates[step].chunk(3, dim=1)
            hidden = F.linear(h, self.cell.weight_hh, self.cell.bias_hh)
            reset_h, update_h, new_h = hidden.chunk(3, dim=1)
            reset, update = torch.sigmoid(reset_x + reset_h), torch.sigmoid(update_x + update_h)
            new = torch.tanh(new_x + reset * new_h)
            h = self.norm(torch.lerp(new, h, update))
            predictions.append(h)
        return torch.stack(predictions, dim=1)
