"""Positive definite matrices of (features, 1), solved with again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.protocols import Matrix, Vector

__all__ = ["SMALLEST", "inverse"]

SMALLEST = 1e-280  # of squares


def _ridged(G: Matrix, l2: float, epsilon: float) -> tuple[Matrix, Vector]:
    """Return D (G + l2 I) D, made definite, in G's memory, and the diagonal D; the penalty leaves the intercept alone.

    D brings the diagonal to ones before anything relative is added: a column's units make no difference.
    """
    diagonal = np.diagonal(G) + np.append(np.full(len(G) - 1, l2), 0.0)
    known = diagonal > SMALLEST  # columns that are 0 in the sample have the largest in the place of theirs
    diagonal = np.where(known, diagonal, diagonal.max() if known.any() else 1.0)
    root = 1 / np.sqrt(diagonal)
    G *= root
    G *= root[:, None]
    np.fill_diagonal(G, 1 + max(8, len(G) / 8) * epsilon)  # what rounding may take from the least eigenvalue
    return G, root


def inverse(G: Matrix, l2: float, epsilon: float) -> Callable[[Vector], Vector]:
    """Return v ↦ (G + l2 I)⁻¹ v, as D Rᵀ R D v with R the inverse of a triangle, in the type that X is computed in.

    That is definite whatever the rounding; in float32 it is half the memory to go through. G is written over.
    """
    T = np.float32 if epsilon > np.finfo(float).eps else np.float64
    if not np.isfinite(G).all():
        return lambda v: np.full_like(v, np.nan)
    M, root = _ridged(G, l2, epsilon)
    try:
        R = _triangular_inverse(np.linalg.cholesky(M).astype(T))
    except np.linalg.LinAlgError:  # indefinite by rounding: what is off the diagonal counts for nothing
        return lambda v: (v.T * root**2).T

    def solve(v: Vector) -> Vector:
        scaled = (v.T * root).T.astype(T)
        solved: Vector = ((R.T @ (R @ scaled)).T * root).T
        return solved

    return solve


def _triangular_inverse(L: NDArray[Any]) -> NDArray[Any]:
    """Inverse of a lower triangle by halves: a third of the work that a general inverse takes."""
    n = len(L)
    if n <= 64:
        return np.linalg.inv(L)
    h = n // 2
    R = np.zeros_like(L)
    R[:h, :h], R[h:, h:] = _triangular_inverse(L[:h, :h]), _triangular_inverse(L[h:, h:])
    R[h:, :h] = -R[h:, h:] @ (L[h:, :h] @ R[:h, :h])
    return R
