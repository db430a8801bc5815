"""Corrections for many tests, and the sign-flip test that is reported beside t."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

_EXACT_FLIPS = 12  # seeds up to which all 2^n sign patterns are enumerated
_RANDOM_FLIPS = 20_000


def holm(p: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Holm's step-down adjusted p-values (1979); the family is every p that is not NaN.

    Sorted ascending, the i-th smallest of m is multiplied by m − i + 1, and may not fall below
    the one before it. p = (.01, .04, .03) becomes (.03, .06, .06). An array of several axes is one
    family, as the exploratory metrics and their pairs are: [metrics pairs].
    """
    flat = np.ravel(p)
    adjusted = np.full(flat.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(flat))
    order = tested[np.argsort(flat[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(flat[order] * factors))
    return adjusted.reshape(np.shape(p))


def sign_flip(differences: Float[np.ndarray, "pairs seeds"]) -> Float[np.ndarray, " pairs"]:
    """p of the permutation test that flips the sign of each seed's difference, two-sided.

    Up to 12 seeds all 2^n patterns are used, as `scipy.stats.permutation_test` does for paired
    samples; beyond, 20,000 fixed random ones, with the observed one counted. Its smallest value is
    2/2^n: .031 at n = 6. NaN for fewer than two seeds or when no difference is there.
    """
    differences = np.asarray(differences, dtype=float)
    p = np.full(len(differences), np.nan)
    there = ~np.isnan(differences)
    counts = there.sum(axis=1)
    for n in np.unique(counts[counts > 1]):
        chosen = np.flatnonzero(counts == n)
        table = differences[chosen][there[chosen]].reshape(len(chosen), n)
        tolerance = 1e-9 * np.abs(table).sum(axis=1)  # equal sums must count as equal
        observed = np.abs(table.sum(axis=1))
        hits, patterns = np.zeros(len(chosen)), 0
        for signs in _signs(int(n)):
            hits += (np.abs(signs @ table.T) >= observed - tolerance).sum(axis=0)
            patterns += len(signs)
        exact = n <= _EXACT_FLIPS
        share = hits / patterns if exact else (hits + 1) / (patterns + 1)
        p[chosen] = np.where(tolerance > 0, share, np.nan)
    return p


def _signs(n: int) -> Iterator[Float[np.ndarray, "patterns n"]]:
    """All patterns of ±1 up to 12 seeds, beyond that a fixed random sample of them, in blocks.

    A pattern and its opposite give the same absolute sum: half of all, the last sign kept, do.
    """
    if n <= _EXACT_FLIPS:
        codes = np.arange(2 ** (n - 1))[:, None]
        yield 1.0 - 2.0 * ((codes >> np.arange(n)) & 1)
        return
    rng = np.random.default_rng(0)
    rest = _RANDOM_FLIPS
    while rest:
        block = min(rest, max(1, 10**6 // n))
        yield 2.0 * rng.integers(0, 2, size=(block, n), dtype=np.int8) - 1.0
        rest -= block
