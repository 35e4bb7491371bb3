"""A preconditioner for softmax regression: its Hessian without the blocks between classes, from some of the rows.

    M_k = 1/Σw Σ_i w_i p_ik (1 − p_ik) x_i x_iᵀ + l2 I,   x_i = (scale · X_i + shift, 1)

one for each class, or one for all with the mean weight over the classes, (1 − Σ_k p_ik²)/K, which is what each has
where the probabilities are equal. In the spirit of Böhning (1992, "Multinomial logistic regression algorithm"), whose
one matrix has the weight ½ throughout and bounds the Hessian.

What few rows of the sample show, a rare column above all, it makes too bold. So as if there were 100 rows more, of the
mean weight, that show each column's whole range, its diagonal gains 100/m (1 − m/n) mean(h) (max x_j − min x_j)² for m
rows out of n: nothing where all are in the sample, and the same for a column in any units and from any origin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.data import Dataset
from softreg.kernels import arithmetic, in_order
from softreg.protocols import Matrix, Vector

__all__ = ["SAMPLE_ROWS", "make"]

SAMPLE_ROWS = 4000  # more cost more than they save
DOUBT_ROWS = 100  # 30 and 400 take a tenth more steps on Fashion-MNIST, none at all up to twice as many
BLOCK_ROWS = 1000
SMALLEST = 1e-280  # of squares
MAX_BYTES = 256 << 20  # of the matrices; beyond, only their diagonals are kept


def make(
    data: Dataset,
    index: NDArray[np.int64] | None,
    W: Matrix,
    b: Vector,
    l2: float,
    *,
    coarse: bool,
    n_threads: int | None,
) -> Callable[[Vector], Vector]:
    """Return v ↦ M⁻¹ v at the parameters W, b; theta's order, (d + 1) · K."""
    d, K = W.shape
    X, weights = _sample(data, index)
    p = _probabilities(X, W, b)
    mean_weight = weights / weights.sum()
    ridge = np.full(d + 1, l2)
    ridge[d] = 0.0
    unseen = 1 - len(X) / (data.n_rows if index is None else len(index))
    doubt = DOUBT_ROWS / len(X) * unseen * (X.max(axis=0).astype(float) - X.min(axis=0)) ** 2
    if (d + 1) ** 2 * 8 > MAX_BYTES:
        return _diagonal(X, p, mean_weight, ridge, doubt)
    shared = coarse or K * (d + 1) ** 2 * 8 > MAX_BYTES
    curvatures = ((1 - (p * p).sum(axis=1)) / K)[None] if shared else (p * (1 - p)).T
    inverses = list(in_order(lambda h: _inverse(X, h * mean_weight, ridge, doubt), list(curvatures), n_threads))
    if shared:

        def solve_shared(v: Vector) -> Vector:
            product: Matrix = inverses[0] @ v.reshape(d + 1, K)
            return product.ravel()

        return solve_shared

    def solve(v: Vector) -> Vector:
        columns = v.reshape(d + 1, K)
        parts = in_order(lambda k: inverses[k] @ columns[:, k], range(K), n_threads)
        return np.stack(list(parts), axis=1).ravel()

    return solve


def _sample(data: Dataset, index: NDArray[np.int64] | None) -> tuple[NDArray[Any], Vector]:
    """Rows (m, d + 1) in scaled units with a column of ones, and their weights; all rows where they are few."""
    n = data.n_rows if index is None else len(index)
    rows = np.arange(n)
    if n > SAMPLE_ROWS:
        rows = np.sort(np.random.default_rng((n, data.n_features)).choice(n, SAMPLE_ROWS, replace=False))
    rows = rows if index is None else index[rows]
    T = arithmetic(data.X.dtype)
    X = np.ones((len(rows), data.n_features + 1), T)
    X[:, :-1] = data.X[rows]
    X[:, :-1] *= np.asarray(data.scale, T)
    X[:, :-1] += np.asarray(data.shift, T)
    weights = np.ones(len(rows)) if data.weights is None else data.weights[rows]
    return X, weights if weights.any() else np.ones(len(rows))


def _probabilities(X: NDArray[Any], W: Matrix, b: Vector) -> Matrix:
    z = (X @ np.append(W, [b], axis=0).astype(X.dtype)).astype(float)
    z -= z.max(axis=1, keepdims=True)
    p: Matrix = np.exp(z)
    p /= p.sum(axis=1, keepdims=True)
    return p


@np.errstate(over="ignore", invalid="ignore")  # what comes of it is not finite; a thread has no settings of its caller
def _inverse(X: NDArray[Any], h: Vector, ridge: Vector, doubt: Vector) -> Matrix:
    G = _gram(X, h)
    if X.dtype == np.float32 and not np.isfinite(G).all():  # values whose squares overflow float32
        G = _gram(X.astype(float), h)
    diagonal = np.diag_indices_from(G)
    G[diagonal] += ridge + h.sum() * doubt
    size = _sizes(G[diagonal])
    G /= size  # by columns and by rows, to a diagonal of ones: a column's units make no difference
    G /= size[:, None]
    G[diagonal] += max(8, len(G) / 8) * np.finfo(X.dtype).eps  # what rounding may take from the least eigenvalue
    inverse = np.linalg.inv(G)
    inverse /= size
    inverse /= size[:, None]
    return (inverse + inverse.T) / 2


def _gram(X: NDArray[Any], h: Vector) -> Matrix:
    G = np.zeros((X.shape[1], X.shape[1]))
    for start in range(0, len(X), BLOCK_ROWS):
        part = X[start : start + BLOCK_ROWS] * np.sqrt(h[start : start + BLOCK_ROWS, None]).astype(X.dtype)
        G += part.T @ part
    return G


def _sizes(squares: Vector) -> Vector:
    """Roots, with the largest in the place of those too small to divide by: columns that are 0 in the sample."""
    known = squares > SMALLEST
    return np.sqrt(np.where(known, squares, squares.max() if known.any() else 1.0))


def _diagonal(X: NDArray[Any], p: Matrix, weights: Vector, ridge: Vector, doubt: Vector) -> Callable[[Vector], Vector]:
    h = p * (1 - p) * weights[:, None]
    squares = (X.astype(float) ** 2).T @ h + np.outer(doubt, h.sum(axis=0)) + ridge[:, None]
    largest = _sizes(squares.max(axis=1))[:, None] ** 2  # over the classes: a column's units make no difference
    return lambda v: v / (squares + 1e-8 * largest).ravel()
