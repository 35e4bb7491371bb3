"""The linear programme that finds quasi-complete separation.

    max Σ m_ik(D)   subject to   m_ik(D) ≥ 0,   D = Σ_j c_j Z_j,   |c| ≤ 1        X scaled to |x| ≤ 1

D and m are those of `softreg.objective.separation`; Z are directions given, or all entries of D but those of class 0:
adding the same to all D_k changes no margin. The sum is over all margins, the constraints are only those that some
solution has violated: so an optimum of 0 proves that no such D separates the classes, and a solution that violates none
separates them. Then the sum is over those margins that are not positive yet, until nothing is left to gain: the sum of
the solutions has every margin positive that can be.

For |D| ≤ 1 a margin counts as 0 down to −1e-9 and as positive from 1e-7, times 1 + |x_i|₁, half the most that it can
be. Rounding and the solver's own tolerance stay below. Classes that overlap by less count as separated; their optimum
would be some 1e9 units away.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.protocols import Matrix, Vector

__all__ = ["margins", "normalised", "solve"]

ZERO, POSITIVE = 1e-9, 1e-7
MAX_ROUNDS = 100  # of constraints added for a sum, and of sums
MIN_ADDED = 200  # constraints at once

Pairs = NDArray[np.intp]  # of rows and classes: i · K + k


def margins(X: Any, y: NDArray[Any], theta: Matrix) -> Matrix:
    """Margins (n, K) of theta, [W; b]: inf against the label itself."""
    z = X @ theta[:-1] + theta[-1]
    own = np.arange(len(y)), y
    m: Matrix = z[own][:, None] - z
    m[own] = np.inf
    return m


def normalised(X: NDArray[Any]) -> tuple[Matrix, Vector, Vector]:
    """Return (X − centre) / unit in [−1, 1], and both; a copy."""
    X = X.astype(float)
    centre = X[0].copy()  # a value of the column, so that a difference of 0 is exactly 0
    X -= centre
    unit = np.ldexp(1.0, np.frexp(np.abs(X).max(axis=0))[1])  # a power of 2: nothing is rounded
    X /= unit
    return X, centre, unit


def solve(
    X: Matrix, y: NDArray[Any], first: Matrix, directions: Matrix | None = None
) -> tuple[Matrix, NDArray[np.bool_]] | None:
    """Return a direction (d + 1, K), and where its margins (n, K) are positive; None where there is none.

    `first` are margins of some theta: the least choose the constraints to begin with. `directions` (d + 1, K, r) are Z.
    """
    n, K = first.shape
    size = 1 + np.abs(X).sum(axis=1)[:, None]
    unknowns = X.shape[1] * K if directions is None else directions.shape[2]
    constraints = _least(first / size, unknowns)
    wanted = np.arange(K) != y[:, None]
    positive = np.zeros((n, K), bool)
    total = np.zeros((X.shape[1] + 1, K))
    for _ in range(MAX_ROUNDS):
        found, constraints = _maximise(X, y, size, wanted & ~positive, constraints, directions)
        if found is None:
            break
        more = margins(X, y, total + found) > POSITIVE * size
        if not (more & wanted & ~positive).any():
            break
        total, positive = total + found, more & wanted
        if positive.sum() == wanted.sum():
            break
    return (total, positive) if positive.any() else None


def _maximise(
    X: Matrix,
    y: NDArray[Any],
    size: Matrix,
    wanted: NDArray[np.bool_],
    constraints: Pairs,
    directions: Matrix | None,
) -> tuple[Matrix | None, Pairs]:
    """Return the D with the largest sum of these margins, None where that is 0; and the constraints that it took."""
    from scipy.optimize import linprog  # half a second: only here

    (n, d), K = X.shape, wanted.shape[1]
    weights = -wanted.astype(float)
    weights[np.arange(n), y] = wanted.sum(axis=1)
    sums = np.append(X.T @ weights, [weights.sum(axis=0)], axis=0)
    gain = sums[:, 1:].ravel() if directions is None else np.einsum("jk,jkz->z", sums, directions)
    gain /= max(np.abs(gain).max(), np.finfo(float).tiny)
    for _ in range(MAX_ROUNDS):
        solution = linprog(
            -gain,
            A_ub=-_matrix(X, y, K, constraints, directions),
            b_ub=np.zeros(len(constraints)),
            bounds=(-1, 1),
            method="highs-ds",
            options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        )
        if solution.status != 0 or not -solution.fun > ZERO:
            return None, constraints
        if directions is None:
            D = np.append(np.zeros((d + 1, 1)), solution.x.reshape(d + 1, K - 1), axis=1)
        else:
            D = directions @ solution.x
            D /= np.abs(D).max()
        relative = margins(X, y, D) / size
        violated = int((relative < -ZERO).sum())
        if not violated:
            return D, constraints
        more = np.union1d(constraints, _least(relative, min(violated, len(gain))))
        if len(more) == len(constraints):  # they are kept, but for rounding that is too large here
            return None, constraints
        constraints = more
    return None, constraints


def _least(m: Matrix, count: int) -> Pairs:
    count = min(max(count, MIN_ADDED), m.size)
    chosen = np.argpartition(m.ravel(), count - 1)[:count]
    return chosen[m.ravel()[chosen] < np.inf]  # none against the label itself


def _matrix(X: Matrix, y: NDArray[Any], K: int, pairs: Pairs, directions: Matrix | None) -> Any:
    """Margins of these pairs as a matrix on the unknowns."""
    from scipy.sparse import csr_array

    d = X.shape[1]
    i, k = pairs // K, pairs % K
    x = np.append(X[i], np.ones((len(i), 1)), axis=1)
    if directions is not None:
        out = np.empty((len(pairs), directions.shape[2]))
        for both in np.unique(y[i] * K + k):
            some = y[i] * K + k == both
            out[some] = x[some] @ (directions[:, both // K] - directions[:, both % K])
        return out
    at = np.arange(d + 1) * K
    columns = np.stack([at + y[i][:, None], at + k[:, None]], axis=1)
    entries = np.stack([x, -x], axis=1)
    starts = np.arange(len(i) + 1) * 2 * (d + 1)
    whole = csr_array((entries.ravel(), columns.ravel(), starts), shape=(len(i), (d + 1) * K))
    return whole[:, np.arange((d + 1) * K) % K != 0].tocsc()
