"""Intervals of a figure: exact for shares of rows, for bounds of what each row can be, by the bootstrap for the rest.

Exact (Clopper & Pearson 1934), k of n rows, α = 1 − level:

    low = the α/2 quantile of Beta(k, n − k + 1)        high = the 1 − α/2 quantile of Beta(k + 1, n − k)

Of rows with weights w, n is their effective number, (Σw)²/Σw², and k that times the share (Korn & Graubard 1998).

Of a mean of n numbers x that are known to be from A to B (Gaffke 2005, "Three test statistics for a nonparametric
one-sided hypothesis on the mean of a nonnegative variable"), with D uniform on the simplex of n + 1 shares:

    low = the α/2 quantile of Σ_i D_i x_i + D_{n+1} A           high = the 1 − α/2 quantile of Σ_i D_i x_i + D_{n+1} B

Of zeros and ones that is Clopper & Pearson's, and exact; of other numbers it has held wherever it was tried
(Learned-Miller & Thomas 2020), also where what is dear is too rare to be among the n. Resamples know nothing of that.

From resamples θ* of the rows (Efron 1987, "Better bootstrap confidence intervals"), the quantiles of θ* at

    α/2 and 1 − α/2                                                         "percentile"
    Φ(z₀ + (z₀ ± z)/(1 − a (z₀ ± z))),   z = Φ⁻¹(1 − α/2)                  "bca"

with z₀ = Φ⁻¹(share of θ* below the figure) its bias, and a its acceleration, Σ d³ / 6 (Σ d²)^{3/2}, from what the
figure falls by, d, as groups of rows are left out one after another.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.errors import SettingError
from softreg.metrics.checks import share

__all__ = ["bootstrap", "bounded_mean", "clopper_pearson", "effective"]

Array = NDArray[np.float64]
ROUNDING = 1e-12  # of resamples that are alike, relative
SHARES, CELLS = 20_000, 1 << 24  # draws of D, and numbers that are drawn for them at most


def clopper_pearson(hits: ArrayLike, n: ArrayLike, level: float = 0.95) -> tuple[Array, Array]:
    """Exact interval of a share, from counts.

    Parameters
    ----------
    hits, n : numbers, or arrays of one shape
        How many of how many; without rows the interval is 0 to 1.
    level : float
        In (0, 1): at least this often the interval holds the true share.

    Returns
    -------
    low, high : arrays of that shape

    Examples
    --------
    >>> low, high = clopper_pearson(9, 10)
    >>> print(f"{low:.4f} {high:.4f}")
    0.5550 0.9975
    """
    from scipy.special import betaincinv

    k, n = np.broadcast_arrays(np.asarray(hits, float), np.asarray(n, float))
    tail = (1 - share("level", level)) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(k > 0, betaincinv(np.where(k > 0, k, 1), np.maximum(n - k + 1, 1), tail), 0.0)
        high = np.where(k < n, betaincinv(k + 1, np.where(k < n, n - k, 1), 1 - tail), 1.0)
    return low, high


def effective(w: Array) -> float:
    """Return the number of rows of one weight that tell as much as rows with these: (Σw)²/Σw².

    Examples
    --------
    >>> effective(np.array([2.0, 2.0, 2.0])), effective(np.array([1.0, 0.0]))
    (3.0, 1.0)
    """
    return float(w.sum() ** 2 / (w @ w)) if w.any() else 0.0


def bounded_mean(
    x: Array, lowest: float, highest: float, level: float = 0.95, seed: int = 0, sample_weight: Array | None = None
) -> tuple[float, float]:
    """Interval of the mean of numbers that cannot be below the lowest nor above the highest.

    Parameters
    ----------
    x : (n,) array
        At least one.
    lowest, highest : float
    level : float
    seed : int
        Of the shares that are drawn.
    sample_weight : (n,) array, optional
        The mean is by weight, and of as many rows as they are worth (`effective`).

    Examples
    --------
    >>> low, high = bounded_mean(np.repeat([0.0, 1.0], [1, 9]), 0.0, 1.0)
    >>> print(f"{low:.2f} {high:.2f}")
    0.56 1.00
    """
    values, place = np.unique(x, return_inverse=True)
    w = np.ones(len(x)) if sample_weight is None else np.asarray(sample_weight, float)
    counts = np.bincount(place, w) * (effective(w) / w.sum())
    values, counts = values[counts > 0], counts[counts > 0]
    tail = (1 - share("level", level)) / 2
    rng, m = np.random.default_rng((seed, 2)), len(values)
    size = int(np.clip(CELLS // m, 1000, SHARES))
    shares = rng.standard_gamma(np.append(counts, 1.0)[:, None], (m + 1, size))
    shares /= shares.sum(axis=0)
    inside = values @ shares[:-1]
    return (
        float(np.quantile(inside + lowest * shares[-1], tail)),
        float(np.quantile(inside + highest * shares[-1], 1 - tail)),
    )


def bootstrap(
    values: Array, resampled: Array, left_out: Array, level: float = 0.95, method: str = "bca"
) -> tuple[Array, Array]:
    """Intervals of m figures from their resamples.

    Parameters
    ----------
    values : (m,) array
        The figures.
    resampled : (m, B) array
        The figures of rows that were drawn with replacement; nan where a draw has none, and left out.
    left_out : (m, G) array
        The figures without each of G groups of rows. For "bca".
    level : float
    method : {"bca", "percentile"}

    Returns
    -------
    low, high : (m,) arrays
        nan where the figure, or all of its resamples, are; and where all of those are alike, which tell nothing.
    """
    if method not in ("bca", "percentile"):
        raise SettingError("method", method, "'bca' or 'percentile'")
    tail = (1 - share("level", level)) / 2
    ends = np.empty((len(values), 2))
    for i, (value, draws, others) in enumerate(zip(values, resampled, left_out, strict=True)):
        draws = draws[np.isfinite(draws)]
        if not (len(draws) and np.isfinite(value) and np.ptp(draws) > ROUNDING * abs(value)):
            ends[i] = np.nan
            continue
        at = np.array([tail, 1 - tail])
        if method == "bca":
            at = _corrected(at, value, draws, others[np.isfinite(others)])
        ends[i] = np.quantile(draws, at) if np.isfinite(at).all() else np.nan
    return ends[:, 0], ends[:, 1]


def _corrected(at: Array, value: float, draws: Array, others: Array) -> Array:
    from scipy.special import ndtr, ndtri

    # A draw equal to the figure counts by half; all on one side are taken for one less, as Φ⁻¹ of 0 is infinite.
    below = (np.count_nonzero(draws < value) + np.count_nonzero(draws == value) / 2) / len(draws)
    bias = ndtri(np.clip(below, 1 / (len(draws) + 1), 1 - 1 / (len(draws) + 1)))
    d = others.mean() - others if len(others) else np.zeros(1)
    squares = float(d @ d)
    acceleration = float(d @ d**2) / (6 * squares**1.5) if squares > 0 else 0.0
    z = bias + ndtri(at)
    corrected: Array = ndtr(bias + z / (1 - acceleration * z))
    return corrected
