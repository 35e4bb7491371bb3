"""The intercept that is best for given weights, found on the logits without another pass over the data.

    s(δ) = 1/Σw Σ_i w_i softmax(z_i + δ) − π = 0,   π the classes' shares,   ∂s/∂δ = 1/Σw Σ_i w_i (diag(p_i) − p_i p_iᵀ)

by Newton's method; z (K, n) are the logits at hand.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.kernels import chunks, in_order, softmax_columns
from softreg.protocols import Matrix, Vector

__all__ = ["balance"]

MAX_TRIALS = 20


def balance(z: NDArray[Any], w: Vector, shares: Vector, n_threads: int | None) -> Vector | None:
    """Return δ (K,), with a mean of 0, that makes the classes' probabilities meet their shares; None where it cannot.

    `w` (n,) are the rows' weights over their sum.
    """
    K = len(z)
    enough = float(np.finfo(z.dtype).eps) / 64
    best, least = None, np.inf
    delta = step = np.zeros(K)
    for _ in range(MAX_TRIALS):
        mean, squares = np.zeros(K), np.zeros((K, K))
        for of_mean, of_squares in in_order(functools.partial(_part, z, w, delta), chunks(z.shape[1]), n_threads):
            mean += of_mean
            squares += of_squares
        size = float(np.abs(mean - shares).max())
        if size < least:  # false for nan
            best, least = delta, size
            A = np.diag(mean) - squares
            # The matrix of ones holds the direction in which nothing changes.
            step = np.linalg.lstsq(A + np.full((K, K), 1 / K), shares - mean, rcond=None)[0]
            step -= step.mean()
        elif best is None or float(np.abs(step).max()) < enough:
            break
        else:
            step = step / 2
        if least <= enough:
            break
        delta = best + step
    return best


def _part(z: NDArray[Any], w: Vector, delta: Vector, span: tuple[int, int]) -> tuple[Vector, Matrix]:
    """Sums over some rows of w p and of w p pᵀ; probabilities of all rows would be as much memory as the logits."""
    p = softmax_columns(z[:, slice(*span)], delta)
    weighted = p * w[slice(*span)].astype(p.dtype)
    return weighted.sum(axis=1, dtype=float), (weighted @ p.T).astype(float)
