"""Products with the Hessian of softmax regression, from all rows or from some; `hessian` has the matrix.

H [V; v] = 1/Σw Σ_i w_i A_i (V x̃_i + v) ⊗ (x̃_i, 1) + l2 [V; 0],   A_i = diag(p_i) − p_i p_iᵀ,   x̃ = scale · x + shift
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from softreg.data import Dataset
from softreg.kernels import Rows, curvature, fold, probabilities
from softreg.objective.sample import drawn
from softreg.protocols import Curvature, Matrix, Vector

__all__ = ["products"]

CACHE_BYTES = 64 << 20  # of probabilities kept between products; beyond, they are computed again for each
MIN_ROWS = 4000  # a share of the rows is no fewer


def products(
    rows: Rows,
    data: Dataset,
    W: Matrix,
    b: Vector,
    l2: float,
    weight: float,
    share: float,
    n_threads: int | None,
    intercept: bool = True,
) -> Curvature:
    """Return the products with the Hessian at W, b.

    A share of the rows is drawn in proportion to how much each of them curves, w_i (1 − Σ_k p_ik²), and weighted so
    that the sum is right on average; or evenly, where the probabilities of all are too many to be looked at.
    """
    d, K = W.shape
    n = len(rows)
    at = fold(W, b, data.scale, data.shift)
    row_bytes = K * np.dtype(rows.arithmetic).itemsize
    some = share < 1 and n * share >= MIN_ROWS
    even = some and n * row_bytes > CACHE_BYTES
    if even:
        rows = _evenly(rows, int(n * share))
    kept = len(rows) * row_bytes <= CACHE_BYTES
    probs = probabilities(rows, *at, n_threads) if kept else None
    passes = 0.5 * len(rows) / max(n, 1) if kept else 0.0
    if some and not even and probs is not None:
        rows, probs = _drawn(rows, probs, int(n * share))
    cost = (1.0 if kept else 1.5) * len(rows) / max(n, 1)
    scale = np.broadcast_to(data.scale, d)[:, None, None]
    shift = np.broadcast_to(data.shift, d)
    share_of_row = 1 / weight if weight > 0 else 0.0

    def product(v: Vector) -> Vector:
        stacked = v.reshape(d + 1, K, -1)  # direction last
        V = np.ascontiguousarray(np.moveaxis(stacked, 2, 1))  # (d + 1, m, K): one direction after the other
        m = V.shape[1]
        folded = fold(V[:-1].reshape(d, m * K), V[-1].reshape(m * K), data.scale, data.shift)
        sums, b_sums = curvature(rows, *at, *folded, probs=probs, n_threads=n_threads)
        out = np.empty((d + 1, m, K))
        np.multiply(sums.reshape(d, m, K), scale * share_of_row, out=out[:-1])
        if np.any(data.shift):
            out[:-1] += share_of_row * np.multiply.outer(shift, b_sums.reshape(m, K))
        out[:-1] += l2 * V[:-1]
        out[-1] = share_of_row * b_sums.reshape(m, K)
        out[-1] -= out[-1].mean(axis=1, keepdims=True)  # a shift of all classes has no curvature
        out[-1] *= intercept
        return np.moveaxis(out, 1, 2).reshape(v.shape)

    return Curvature(product, passes, cost)


def _evenly(rows: Rows, m: int) -> Rows:
    """Every n/m-th row, weighted for those between."""
    index = np.arange(len(rows)) if rows.index is None else rows.index
    part = index[(np.arange(m) + 0.5).astype(np.int64) * len(index) // m]
    weights = np.zeros(len(rows.y))
    w = np.ones(len(part)) if rows.weights is None else rows.weights[part]
    total = len(index) if rows.weights is None else rows.weights[index].sum()
    weights[part] = w * total / max(w.sum(), np.finfo(float).tiny)
    return replace(rows, weights=weights, index=part)


def _drawn(rows: Rows, probs: NDArray[np.floating], m: int) -> tuple[Rows, NDArray[np.floating]]:
    """About m of the rows, by systematic sampling, with weights that undo the odds."""
    index = np.arange(len(rows)) if rows.index is None else rows.index
    w = np.ones(len(rows)) if rows.weights is None else rows.weights[index]
    h = w * np.maximum(1 - np.einsum("ki,ki->i", probs, probs), 0)
    which, shares = drawn(h, m)
    if not len(which):
        return rows, probs
    weights = np.zeros(len(rows.y))
    weights[index[which]] = shares * w[which] / h[which]
    return replace(rows, weights=weights, index=index[which]), np.ascontiguousarray(probs[:, which])
