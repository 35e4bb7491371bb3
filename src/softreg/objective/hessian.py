"""The Hessian of softmax regression as a matrix, where it is small.

    H_jk = −1/Σw Σ_i w_i p_ij p_ik x_i x_iᵀ   j ≠ k        H_jj = −Σ_{k≠j} H_jk + l2 I

x_i is (scale · X_i + shift, 1), and l2 is not of the ones.

What a pair of classes has is a weighted sum of the products x_ia x_ib. Where pairs are many, each of these products is
formed once, and one matrix product sums them for all pairs; where they are few, rows are weighted for each pair.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from softreg.arrays import dense
from softreg.data import Dataset
from softreg.kernels import Rows, fold, in_order, probabilities
from softreg.protocols import Matrix, Vector

__all__ = ["matrix"]

FEW_PAIRS = 3
BLOCK_BYTES = 2 << 20  # of products, which stay in the cache
MIN_ROWS, MAX_ROWS = 64, 4096  # of a block


def matrix(
    rows: Rows,
    data: Dataset,
    W: Matrix,
    b: Vector,
    l2: float,
    weight: float,
    n_threads: int | None,
    intercept: bool = True,
) -> Matrix:
    """Return the Hessian, ((d + 1)·K, (d + 1)·K), in blocks of rows: about n ((d + 1) K)² / 2 operations."""
    d, K = W.shape
    size, n_pairs = d + 1, K * (K - 1) // 2
    few = n_pairs <= FEW_PAIRS
    j, k = _above(K, 1)
    probs = probabilities(rows, *fold(W, b, data.scale, data.shift), n_threads)
    block = BLOCK_BYTES // (8 * size * (n_pairs if few else (size + 1) // 2))
    block = min(max(block, MIN_ROWS), MAX_ROWS)

    def pairs(start: int) -> Matrix:
        span = slice(start, min(start + block, len(rows)))
        which = span if rows.index is None else rows.index[span]
        p = probs[:, span].astype(float)
        p /= p.sum(axis=0)
        x = np.full((size, p.shape[1]), float(intercept))
        x[:-1] = (data.scale * dense(data.X, which) + data.shift).T
        shares = p[j]
        shares *= p[k]
        if data.weights is not None:
            shares *= data.weights[which]
        if few:
            weighted: NDArray[np.float64] = (x * shares[:, None]).reshape(n_pairs * size, -1)
            return weighted @ x.T
        products = np.empty((size * (size + 1) // 2, p.shape[1]))
        at = 0
        for a in range(size):
            np.multiply(x[a], x[a:], out=products[at : at + size - a])
            at += size - a
        return shares @ products.T

    sums = np.zeros((n_pairs * size, size) if few else (n_pairs, size * (size + 1) // 2))
    for its in in_order(pairs, range(0, len(rows), block), n_threads):
        sums += its
    if few:
        G = sums.reshape(n_pairs, size, size)
    else:
        G = np.empty((n_pairs, size, size))
        above = _above(size, 0)
        G[:, above[0], above[1]] = G[:, above[1], above[0]] = sums
    H = np.zeros((K, K, size, size))
    H[j, k] = H[k, j] = -G
    H[np.arange(K), np.arange(K)] = -H.sum(axis=1)
    if weight > 0:
        H /= weight
    inner = np.arange(d)
    H[:, :, inner, inner] += l2 * np.eye(K)[:, :, None]
    flat = H.transpose(2, 0, 3, 1).reshape(size * K, size * K)
    return (flat + flat.T) / 2


@functools.lru_cache(maxsize=8)
def _above(n: int, k: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.triu_indices(n, k)
