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
    """Built as `Target(dim=<latent dimensions>, action_dim=<of the data>, **yaml_arguments)`.

    Constructor arguments are keyword-only without defaults. An argument out of range, or data that
    the term cannot work with, is a ValueError of the constructor.
    """

    @abstractmethod
    def forward(
        self, z_context: Float[Tensor, "b t d"], actions: Float[Tensor, "b t-1 a"] | None
    ) -> Float[Tensor, ""]:
        """The unweighted term, in float32, of the online encoder's output of every frame."""


class HelperTerms(nn.Module):
    """The weighted helper terms of a run, in the order given."""

    def __init__(self, *, terms: Mapping[str, HelperTerm], weights: Mapping[str, float]) -> None:
        super().__init__()
        self.terms = nn.ModuleDict(terms)
        self.weights = {name: weights[name] for name in terms}

    def forward(
        self, z_context: Float[Tensor, "b t d"], actions: Float[Tensor, "b t-1 a"] | None
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """The weighted sum, and each term unweighted and detached."""
        total = z_context.new_zeros(())
        unweighted: dict[str, Tensor] = {}
        for name, module in self.terms.items():
            term = module(z_context, actions)
            total = total + self.weights[name] * term
            unweighted[name] = term.detach()
        return total, unweighted
