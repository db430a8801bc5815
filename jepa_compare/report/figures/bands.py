"""Learning curves of several seeds as one line and a band."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from jepa_compare.comparison.loading.history import History

MOST_STEPS = 120
"""Points of a band: more than a picture can show."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Band:
    """Mean over seeds and the range of the seeds, at increasing steps."""

    steps: Float[np.ndarray, " k"]
    mean: Float[np.ndarray, " k"]
    low: Float[np.ndarray, " k"]
    """Smallest seed; `high` the largest. A band of one seed has no width."""
    high: Float[np.ndarray, " k"]
    seeds: int


def band(histories: Sequence[History], key: str) -> Band | None:
    """The finite values of `key` over the histories; None where there is none.

    Up to 120 logged steps are taken as they are. More fall into 120 bins, of which a seed's mean
    and its extremes count, so that no spike is lost. Between its logged steps a seed counts with
    what lies on the straight line; before its first and after its last the others go without it.
    """
    curves = [curve for curve in (history.column(key) for history in histories) if len(curve[0])]
    if not curves:
        return None
    places = np.unique(np.concatenate([steps for steps, _ in curves])).astype(float)
    if len(places) > MOST_STEPS:
        edges = np.linspace(places[0], places[-1], MOST_STEPS + 1)
        places = (edges[1:] + edges[:-1]) / 2
        binned = [_binned(steps, values, edges) for steps, values in curves]
    else:
        binned = [(steps.astype(float), values, values, values) for steps, values in curves]
    mean, low, high = (
        # [seeds places], NaN outside of a seed's steps
        np.stack([np.interp(places, curve[0], curve[i], np.nan, np.nan) for curve in binned])
        for i in (1, 2, 3)
    )
    there = ~np.isnan(mean)
    count = there.sum(axis=0)
    kept = count > 0
    # The values may be as large as floats go: a share of each before the sum cannot overflow.
    shares = np.where(there, mean, 0.0)[:, kept] / count[kept]
    return Band(
        steps=places[kept],
        mean=shares.sum(axis=0),
        low=np.where(there, low, np.inf).min(axis=0)[kept],
        high=np.where(there, high, -np.inf).max(axis=0)[kept],
        seeds=len(curves),
    )


def _binned(
    steps: Int[np.ndarray, " n"], values: Float[np.ndarray, " n"], edges: Float[np.ndarray, " _"]
) -> tuple[Float[np.ndarray, " k"], ...]:
    """(centre, mean, smallest, largest) of each bin that holds a step."""
    place = np.clip(np.searchsorted(edges, steps, side="right") - 1, 0, len(edges) - 2)
    filled, bins = np.unique(place, return_inverse=True)
    low, high = np.full(len(filled), np.inf), np.full(len(filled), -np.inf)
    np.minimum.at(low, bins, values)
    np.maximum.at(high, bins, values)
    mean = np.bincount(bins, weights=values / np.bincount(bins)[bins])
    return ((edges[1:] + edges[:-1]) / 2)[filled], mean, low, high


def spectrum_band(spectra: Sequence[Float[np.ndarray, " _"]]) -> Band | None:
    """Singular values by index: geometric mean over seeds and range; None without a spectrum.

    Seeds with another number of latent dimensions than the first are left out, and values that are
    not positive count as 1e-12.
    """
    spectra = [np.nan_to_num(spectrum, nan=0.0, posinf=0.0, neginf=0.0) for spectrum in spectra]
    spectra = [s for s in spectra if len(s) and len(s) == len(spectra[0])]
    if not spectra:
        return None
    values = np.maximum(np.stack(spectra), 1e-12)  # [seeds d]
    return Band(
        steps=np.arange(1, values.shape[1] + 1, dtype=float),
        mean=np.exp(np.log(values).mean(axis=0)),
        low=values.min(axis=0),
        high=values.max(axis=0),
        seeds=len(values),
    )
