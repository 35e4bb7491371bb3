"""Columns brought to mean 0 and deviation 1: by the scale and shift of a Dataset, which leave X as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.arrays import dense
from softreg.data.dataset import Dataset

__all__ = ["moments", "standardized"]

BLOCK_ROWS = 4096
ROUNDING = 1e3 * float(np.finfo(float).eps)  # of a mean, relative


def moments(X: Any, w: NDArray[np.float64] | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted mean and deviation of each column, some rows at a time: two passes, the same bits in any strides.

    Where every row is the same but for the rounding of the mean, the deviation is 0.
    """
    n, d = X.shape
    w = np.ones(n) if w is None else w
    mean, squares = np.zeros(d), np.zeros(d)
    for start in range(0, n, BLOCK_ROWS):
        mean += w[start : start + BLOCK_ROWS] @ _block(X, start)
    mean /= w.sum()
    with np.errstate(over="ignore"):  # a deviation is infinite then
        for start in range(0, n, BLOCK_ROWS):
            squares += w[start : start + BLOCK_ROWS] @ np.square(_block(X, start) - mean)
    deviation = np.sqrt(squares / w.sum())
    return mean, np.where(deviation <= ROUNDING * np.abs(mean), 0.0, deviation)


def _block(X: Any, start: int) -> NDArray[np.float64]:
    return dense(X, slice(start, start + BLOCK_ROWS)).astype(float, order="C")


def standardized(data: Dataset, rows: NDArray[np.int64] | None = None) -> Dataset:
    """Return the data with the scale and shift that bring its columns, of these rows, to mean 0 and deviation 1.

    A column whose values are all the same is moved to 0.

    Examples
    --------
    >>> data = standardized(Dataset.from_labels([[1.0, 7.0], [3.0, 7.0]], ["a", "b"]))
    >>> data.scale, data.shift
    (array([1., 1.]), array([-2., -7.]))
    """
    w = data.weights
    if rows is not None:
        inside = np.zeros(data.n_rows)
        inside[rows] = 1.0 if w is None else w[rows]
        w = inside
    if w is not None and not w.any():
        return data  # which the fit refuses, with its reason
    mean, deviation = moments(data.X, w)
    deviation = np.where(deviation > 0, deviation, 1.0)
    return replace(data, scale=1 / deviation, shift=-mean / deviation)
