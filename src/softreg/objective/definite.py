"""Positive definite matrices of (features, 1), solved with again and again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from softreg.objective.triangle import Triangle
from softreg.protocols import Vector

__all__ = ["SMALLEST", "inverse"]

SMALLEST = 1e-280  # of squares
RIDGE = (
    1e-12  # relative: where columns say the same, a gradient's rounding over much less would be logits by the million
)


def _ridge(G: Triangle, l2: float, epsilon: float) -> Vector:
    """Make of G D (G + l2 I) D, made definite, and return the diagonal D; the penalty leaves the intercept alone.

    D brings the diagonal to ones before anything relative is added: a column's units make no difference.
    """
    diagonal = G.diagonal + np.append(np.full(len(G) - 1, l2), 0.0)
    known = diagonal > SMALLEST  # columns that are 0 in the sample have the largest in the place of theirs
    diagonal = np.where(known, diagonal, diagonal.max() if known.any() else 1.0)
    root = 1 / np.sqrt(diagonal)
    G.scale(root)
    ridge = max(max(8, len(G) / 8) * epsilon, RIDGE)  # what rounding may take from the least eigenvalue
    G.set_diagonal(np.full(len(G), 1 + ridge))
    return root


def inverse(G: Triangle, l2: float, epsilon: float) -> Callable[[Vector], Vector]:
    """Return v ↦ (G + l2 I)⁻¹ v, as D Rᵀ R D v with R the inverse of a triangle, in the type that X is computed in.

    That is definite whatever the rounding; in float32 it is half the memory. G is written over.
    """
    T = np.float32 if epsilon > np.finfo(float).eps else np.float64
    if not G.finite:
        return lambda v: np.full_like(v, np.nan)
    root = _ridge(G, l2, epsilon)
    try:
        G.factor()
    except np.linalg.LinAlgError:  # indefinite by rounding: what is off the diagonal counts for nothing
        return lambda v: (v.T * root**2).T

    R = G.astype(T)
    R.invert()

    def solve(v: Vector) -> Vector:
        scaled = (v.T * root).T.astype(T)
        solved: Vector = (R.squared_product(scaled).T * root).T
        return solved

    return solve
