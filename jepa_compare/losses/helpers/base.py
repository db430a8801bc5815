"""Helper terms: explicit, weighted in the config, and the same for every loss of a sweep.

They are kept apart from the auxiliary losses because they decide results on their own: without
inverse dynamics the published random-wall recipe falls from 97 to 1 % (arXiv 2602.03604).

Shape legend: b trajectories, t frames, d latent dimensions, a action dimensions.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn


class HelperTerm(nn.Module, ABC):
    """Base of every helper term: built as `Target(dim=d, action_dim=a, **yaml_arguments)`."""

    @abstractmethod
    def forward(
        self, z_context: Float[Tensor, "b t d"], actions: Float[Tensor, "b t-1 a"] | None
    ) -> Float[Tensor, ""]:
        """The term, unweighted."""


class HelperTerms(nn.Module):
    """The weighted helper terms of a run, by name."""

    def __init__(self, terms: Mapping[str, HelperTerm], weights: Mapping[str, float]) -> None:
        super().__init__()
        self.terms = nn.ModuleDict(terms)
        self.weights = dict(weights)

    def forward(
        self, z_context: Float[Tensor, "b t d"], actions: Float[Tensor, "b t-1 a"] | None
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """The weighted sum, and each term unweighted and detached."""
        total = z_context.new_zeros(())
        values: dict[str, Tensor] = {}
        for name, term in self.terms.items():
            value = term(z_context, actions)
            total = total + self.weights[name] * value
            values[name] = value.detach()
        return total, values
