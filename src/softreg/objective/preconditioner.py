"""A preconditioner for softmax regression: its Hessian without the blocks between class modes, from some of the rows.

    H = 1/Σw Σ_i w_i A_i ⊗ x_i x_iᵀ + l2 I,   A_i = diag(p_i) − p_i p_iᵀ (K, K),   x_i = (scale · X_i + shift, 1)

Classes that compete for the same rows are coupled: raising both of them together changes little, raising one against
the other much. The eigenvectors Q of the mean of the A_i are directions in class space, the modes, between which that
coupling is 0 on average. What is left between them is dropped:

    M = (Q ⊗ I) diag_a(G_a + l2 I) (Q ⊗ I)ᵀ,   G_a = 1/Σw Σ_i w_i h_ia x_i x_iᵀ,   h_ia = q_aᵀ A_i q_a

The mode of ones has no curvature but the penalty's. G_a is estimated from m rows drawn in proportion to h_ia. What few
of them show, a rare column above all, that would make too bold: as if there were DOUBT rows more, of the mean weight,
that show each column's whole range, the diagonal gains DOUBT/m Σh (max x_j − min x_j)². Where
matrices for every mode would cost too much they share one, G_a ≈ λ_a/λ̄ Ḡ with λ the eigenvalues of the mean (a
Kronecker product, as in Martens & Grosse 2015, "Optimizing neural networks with Kronecker-factored approximate
curvature"). A single G with λ_a = ½ is the bound of Böhning (1992, "Multinomial logistic regression algorithm").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.arrays import is_sparse
from softreg.data import Dataset
from softreg.kernels import Rows, fold, in_order, probabilities
from softreg.objective.definite import SMALLEST, inverse
from softreg.objective.sample import BLOCK_ROWS, DOUBT, POOL_ROWS, Sample, pool
from softreg.objective.triangle import Triangle
from softreg.protocols import Matrix, Vector

__all__ = ["Remade", "make"]

ROWS_PER_FEATURE, MIN_ROWS = 3, 2000  # drawn for a matrix; fewer make the metric too bold
POOL_BYTES = 64 << 20  # of the probabilities looked at, in float64
FEW_ROWS = 1000  # a pass over fewer costs no less; nor should it matter whether rows are repeated or weighted
OWN_PASSES = 40  # a matrix for each mode may cost as much as this many passes over the data
SHARED_PASSES = 100  # and one for all modes as much as this many: columns by the thousand, rows by the hundred
FACTORS = 4  # a matrix's eigenvectors cost as much as so many products of it with itself
MAX_BYTES = 256 << 20  # of a matrix; beyond, only diagonals are kept
SPARSE_FEATURES = 1024  # and beyond these of a sparse X, whose passes cost less than its matrices
FLAT = 1e-4
RIDGE = 8 * float(np.finfo(np.float32).eps)  # relative
MAX_MODES = 2048  # beyond, classes stand for modes: eigenvectors would cost more than they save

Solve = Callable[[Vector], Vector]


class Remade:
    """A solve that can let go of its matrices, as `softreg.protocols.Preconditioner` says: what makes it is kept."""

    def __init__(self, make: Callable[[], Solve]) -> None:
        self._make = make
        self._made: Solve | None = make()

    def __call__(self, v: Vector) -> Vector:
        """Return M⁻¹ v."""
        if self._made is None:
            self._made = self._make()
        return self._made(v)

    def let_go(self) -> None:
        """Free the matrices."""
        self._made = None


def make(
    data: Dataset,
    index: NDArray[np.int64] | None,
    W: Matrix,
    b: Vector,
    l2: float,
    coarse: bool,
    n_threads: int | None,
    intercept: bool = True,
) -> Remade:
    """Return v ↦ M⁻¹ v at the parameters W, b; theta's order, (d + 1) · K."""

    def made() -> Solve:
        solve = _solve(data, index, W, b, l2, coarse, n_threads, intercept)
        return solve if intercept else lambda v: np.append(solve(v)[: -len(b)], np.zeros(len(b)))

    return Remade(made)


def _solve(
    data: Dataset,
    index: NDArray[np.int64] | None,
    W: Matrix,
    b: Vector,
    l2: float,
    coarse: bool,
    n_threads: int | None,
    intercept: bool,
) -> Solve:
    d, K = W.shape
    n = data.n_rows if index is None else len(index)
    rows = pool(n, data.n_features, index, min(POOL_ROWS, max(512, POOL_BYTES // (8 * K))))
    p = probabilities(
        Rows(data.X, data.y, None, rows, offset=data.offset), *fold(W, b, data.scale, data.shift), n_threads
    )
    w = np.ones(len(rows)) if data.weights is None else data.weights[rows]
    w = w / w.sum() if w.any() else np.full(len(rows), 1 / len(rows))
    sample = Sample(data, rows, intercept)
    epsilon = float(np.finfo(sample.arithmetic).eps)
    m = max(MIN_ROWS, ROWS_PER_FEATURE * (d + 1))
    one_pass = 4 * max(n, FEW_ROWS) * d * K
    shared = (d + 1) ** 2 * (min(m, n) + FACTORS * (d + 1))
    if (d + 1) ** 2 * 8 > MAX_BYTES or (is_sparse(data.X) and d > SPARSE_FEATURES) or shared > SHARED_PASSES * one_pass:
        return _diagonal(sample, p, w, l2)
    modes, eigenvalues = _modes(p, w)
    each = (d + 1) ** 2 * (min(m, max(n, FEW_ROWS)) + FACTORS * (d + 1))
    own = not coarse and (K - 1) * each <= OWN_PASSES * one_pass
    mean = w * (1 - np.einsum("ki,ki->i", p, p, dtype=float)) / (K - 1)
    if not own or K * (d + 1) ** 2 * 8 > MAX_BYTES:
        factors = eigenvalues / max(eigenvalues.sum() / (K - 1), np.finfo(float).tiny)
        return _shared(sample.gram(mean, m), modes, factors, l2, epsilon, _floor(sample, mean, l2))

    floor = _floor(sample, mean, l2)
    rotation = modes.T.astype(p.dtype)

    def of_mode(a: int) -> Solve | None:
        if not eigenvalues[a] > 0:
            return None
        h = np.square(rotation[a]) @ p - np.square(rotation[a] @ p)
        return inverse(sample.gram(w * np.maximum(h, 0), m), l2, epsilon)

    inverses = list(in_order(of_mode, range(K), n_threads))

    def solve(v: Vector) -> Vector:
        columns: Matrix = v.reshape(d + 1, K) @ modes
        for a, block in enumerate(inverses):  # on one thread: two of them wait for the same memory
            columns[:, a] = columns[:, a] / floor if block is None else block(columns[:, a])
        return (columns @ modes.T).ravel()

    return solve


def _modes(p: NDArray[Any], w: Vector) -> tuple[Matrix, Vector]:
    """Eigenvectors, in columns, and eigenvalues of the mean of diag(p) − p pᵀ; exactly 0 for the mode of ones."""
    K = len(p)
    mean = np.einsum("ki,i->k", p, w, dtype=float)  # p @ w would make a copy of p in float64
    if K > MAX_MODES:
        return np.eye(K), mean * (1 - mean)
    A = np.diag(mean) - ((p * w.astype(p.dtype)) @ p.T).astype(float)
    # Shifted away from the other eigenvalues, which are at most 1, the mode of ones cannot be mixed with a rare one.
    eigenvalues, modes = np.linalg.eigh(A + np.full((K, K), 2 / K))
    eigenvalues = np.maximum(eigenvalues, 0.0)
    eigenvalues[-1] = 0.0
    return modes, eigenvalues


def _floor(sample: Sample, h: Vector, l2: float) -> Vector:
    """Curvature that the mode of ones is given: the penalty's, and a little of what the others have, by columns.

    Without that the rounding of a gradient of columns of 1e8, over a small penalty, would be logits by the hundred.
    """
    rows = np.flatnonzero(h)[:BLOCK_ROWS]
    X = sample.rows(rows)
    with np.errstate(over="ignore"):
        squares = np.einsum("if,if->f", X, X, dtype=float) * (h.sum() / max(len(rows), 1))
    squares = squares if len(rows) else np.ones(X.shape[1])
    floor = FLAT * squares + np.append(np.full(len(squares) - 1, l2), 0.0)
    return np.where(floor > SMALLEST, floor, 1.0)


def _shared(G: Triangle, modes: Matrix, factors: Vector, l2: float, epsilon: float, floor: Vector) -> Solve:
    """One matrix times a factor for each mode."""
    size, K = len(G), len(factors)
    if not G.finite:
        return lambda v: np.full_like(v, np.nan)
    if np.ptp(factors[:-1]) <= 1e-6 * factors[0]:  # as at zero parameters: all modes alike
        for _, panel in G.panels:
            panel *= factors[0]
        alike = inverse(G, l2, epsilon)

        def solve_alike(v: Vector) -> Vector:
            columns = v.reshape(size, K)
            mean = columns.mean(axis=1)
            solved: Matrix = alike(columns - mean[:, None]) + (mean / floor)[:, None]
            return solved.ravel()

        return solve_alike
    eigenvalues, vectors = np.linalg.eigh(G.square())
    curvature = np.outer(np.maximum(eigenvalues, eigenvalues[-1] * RIDGE), factors) + l2
    curvature[curvature == 0] = np.inf  # the gradient is 0 there

    T: Any = np.float32 if epsilon > np.finfo(float).eps else np.float64
    left: NDArray[Any] = vectors.astype(T)
    right: NDArray[Any] = modes.astype(T)

    def solve(v: Vector) -> Vector:
        rotated: NDArray[Any] = left.T @ (v.reshape(size, K).astype(T) @ right)
        rotated /= curvature
        return np.asarray((left @ rotated) @ right.T, float).ravel()

    return solve


def _diagonal(sample: Sample, p: NDArray[Any], w: Vector, l2: float) -> Solve:
    rows = np.arange(len(w))[: 1 << 12]
    q = p[:, rows].astype(float)
    squares, extent = sample.spread(rows, (q * (1 - q) * w[rows]).T)
    squares *= w.sum() / max(w[rows].sum(), np.finfo(float).tiny)
    mean = p.astype(float) @ w
    squares += np.outer(DOUBT / len(rows) * (1 - len(rows) / len(w)) * extent**2, mean * (1 - mean))
    squares[:-1] += l2
    largest = squares.max(axis=1)  # over the classes: a column's units make no difference
    known = largest > SMALLEST
    largest = np.where(known, largest, largest.max() if known.any() else 1.0)
    squares += 1e-8 * largest[:, None]
    return lambda v: v / squares.ravel()
