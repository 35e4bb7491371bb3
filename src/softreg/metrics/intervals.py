"""Intervals of a figure: exact for shares of rows, by the bootstrap for the rest.

Exact (Clopper & Pearson 1934), k of n rows, α = 1 − level:

    low = the α/2 quantile of Beta(k, n − k + 1)        high = the 1 − α/2 quantile of Beta(k + 1, n − k)

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

__all__ = ["bootstrap", "clopper_pearson"]

Array = NDArray[np.float64]


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
        low = np.where(k > 0, betaincinv(np.maximum(k, 1), np.maximum(n - k + 1, 1), tail), 0.0)
        high = np.where(k < n, betaincinv(k + 1, np.maximum(n - k, 1), 1 - tail), 1.0)
    return low, high


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
        nan where the figure, or all of its resamples, are.
    """
    if method not in ("bca", "percentile"):
        raise SettingError("method", method, "'bca' or 'percentile'")
    tail = (1 - share("level", level)) / 2
    ends = np.empty((len(values), 2))
    for i, (value, draws, others) in enumerate(zip(values, resampled, left_out, strict=True)):
        draws = draws[np.isfinite(draws)]
        if not (len(draws) and np.isfinite(value)):
            ends[i] = np.nan
            continue
        at = np.array([tail, 1 - tail])
        if method == "bca":
            at = _corrected(at, value, draws, others[np.isfinite(others)])
        ends[i] = np.quantile(draws, at)
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
