"""Some of the rows, drawn in proportion to their part in a sum Σ_i h_i x_i x_iᵀ, x_i = (scale · X_i + shift, 1).

Without an intercept the last entry is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.arrays import dense, is_sparse, products
from softreg.data import Dataset
from softreg.kernels import Rows
from softreg.objective.triangle import Triangle
from softreg.protocols import Matrix, Vector

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
        X[:, :-1] = dense(data.X, self.pool[which])
        X[:, :-1] *= np.asarray(data.scale, T)
        X[:, :-1] += np.asarray(data.shift, T)
        return X

    def columns(self, which: NDArray[np.int64], features: NDArray[np.int64]) -> NDArray[Any]:
        """Return these features of these rows; none of the others of a sparse X."""
        data = self.data
        if not is_sparse(data.X):
            return self.rows(which)[:, features]
        some, places = np.unique(features, return_inverse=True)
        own = some[some < data.n_features]
        X = np.full((len(which), len(some)), float(self.intercept))
        X[:, : len(own)] = products(data.X, self.pool[which])[:, own].toarray()
        X[:, : len(own)] *= np.broadcast_to(data.scale, data.n_features)[own]
        X[:, : len(own)] += np.broadcast_to(data.shift, data.n_features)[own]
        return X[:, places]

    def spread(self, which: NDArray[np.int64], h: Matrix) -> tuple[Matrix, Vector]:
        """Σ_i h_ik x_ij², (d + 1, K), and max x_j − min x_j of these rows; without the zeros of a sparse X."""
        if is_sparse(self.data.X):
            return self._sparse_spread(which, h)
        squares = np.zeros((self.data.n_features + 1, h.shape[1]))
        low, high = np.full(len(squares), np.inf), np.full(len(squares), -np.inf)
        for start in range(0, len(which), BLOCK_ROWS):
            X = self.rows(which[start : start + BLOCK_ROWS]).astype(float)
            low, high = np.minimum(low, X.min(axis=0)), np.maximum(high, X.max(axis=0))
            squares += np.square(X).T @ h[start : start + BLOCK_ROWS]
        return squares, high - low

    def _sparse_spread(self, which: NDArray[np.int64], h: Matrix) -> tuple[Matrix, Vector]:
        scale, shift = (np.broadcast_to(v, self.data.n_features) for v in (self.data.scale, self.data.shift))
        X = products(self.data.X, self.pool[which])
        X.sum_duplicates()
        X.data *= scale[X.indices]
        extent = np.append((X.max(axis=0) - X.min(axis=0)).toarray().ravel(), 0.0)
        of_X = X.T @ h
        X.data *= X.data
        # Σ h (x + t)²; what rounding leaves of it where the three cancel is above 0.
        squares = np.maximum(X.T @ h + (2 * shift)[:, None] * of_X + np.outer(shift**2, h.sum(axis=0)), 0)
        return np.append(squares, [self.intercept * h.sum(axis=0)], axis=0), extent

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
