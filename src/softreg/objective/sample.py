"""Some of the rows, drawn in proportion to their part in a sum Σ_i h_i x_i x_iᵀ, x_i = (scale · X_i + shift, 1).

Without an intercept the last entry is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.data import Dataset
from softreg.kernels import Rows
from softreg.objective.triangle import Triangle
from softreg.protocols import Vector

__all__ = ["BLOCK_ROWS", "DOUBT", "POOL_ROWS", "Sample", "drawn", "pool"]

POOL_ROWS = 1 << 16  # rows looked at
BLOCK_ROWS = 512
DOUBT = 30  # 10 and 100 take a tenth more steps on Fashion-MNIST, none at all a quarter


def pool(n: int, d: int, index: NDArray[np.int64] | None, most: int = POOL_ROWS) -> NDArray[np.int64]:
    """Rows of the data, of those in index, that a sample may be drawn from; the same ones each time."""
    rows = np.arange(n)
    if n > most:
        rows = np.sort(np.random.default_rng((n, d)).choice(n, most, replace=False))
    return rows if index is None else index[rows]


def drawn(h: Vector, m: int) -> tuple[NDArray[np.int64], Vector]:
    """Which entries of h to take, and for how much each of them stands: systematic sampling where m is too few."""
    which = np.flatnonzero(h)
    if len(which) <= m:
        return which, h[which]
    reached = np.cumsum(h)
    step = reached[-1] / m
    which, times = np.unique(np.searchsorted(reached, (np.arange(m) + 0.5) * step), return_counts=True)
    return np.minimum(which, len(h) - 1), times * step


class Sample:
    """Rows (scale · X + shift, 1) of a pool, made when asked for; (scale · X + shift, 0) without an intercept."""

    def __init__(self, data: Dataset, pool: NDArray[np.int64], intercept: bool = True) -> None:
        self.data, self.pool, self.intercept = data, pool, intercept

    def rows(self, which: NDArray[np.int64]) -> NDArray[Any]:
        """Return these of the pool."""
        data = self.data
        T = self.arithmetic
        X = np.full((len(which), data.n_features + 1), self.intercept, T)
        X[:, :-1] = data.X[self.pool[which]]
        X[:, :-1] *= np.asarray(data.scale, T)
        X[:, :-1] += np.asarray(data.shift, T)
        return X

    def gram(self, h: Vector, m: int) -> Triangle:
        """Σ_i h_i x_i x_iᵀ, from m rows where there are more."""
        n = np.count_nonzero(h)
        doubt = DOUBT / m * (1 - m / n) * float(h.sum()) if n > m else 0.0
        which, shares = drawn(h, m)
        G = self._products(which, shares, doubt, np.dtype(self.arithmetic))
        if not G.finite:  # values whose squares overflow float32
            G = self._products(which, shares, doubt, np.dtype(float))
        return G

    @property
    def arithmetic(self) -> type[np.floating[Any]]:
        """Type of the arithmetic with X."""
        return Rows(self.data.X, self.data.y).arithmetic

    @np.errstate(over="ignore", invalid="ignore")  # what comes of it is not finite, and seen
    def _products(self, which: NDArray[np.int64], shares: Vector, doubt: float, T: np.dtype[Any]) -> Triangle:
        size = self.data.n_features + 1
        G = Triangle.zeros(size)
        low, high = np.full(size, np.inf), np.full(size, -np.inf)
        for start in range(0, len(which), BLOCK_ROWS):
            part = self.rows(which[start : start + BLOCK_ROWS]).astype(T, copy=False)
            if doubt > 0:
                np.minimum(low, part.min(axis=0), out=low)
                np.maximum(high, part.max(axis=0), out=high)
            part *= np.sqrt(shares[start : start + BLOCK_ROWS, None]).astype(T)
            G.add(part)
        if doubt > 0:
            G.set_diagonal(G.diagonal + doubt * (high - low) ** 2)
        return G
