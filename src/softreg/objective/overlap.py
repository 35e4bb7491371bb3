"""What a point near the optimum tells of separation, before any linear programme: most often that there is none.

Along a direction D that separates classes (see `softreg.objective.separation`), with p the probabilities at any theta,
∇ the gradient of the loss there and H its Hessian,

    Dᵀ H D ≤ 1/Σw Σ_ik w_i p_ik m_ik(D)² ≤ max m · (−⟨∇, D⟩),   since −⟨∇, D⟩ = 1/Σw Σ_ik w_i p_ik m_ik(D)

and m_ik(D) ≤ √2 |x_i| |D|. So there is none where the least eigenvalue of H is above √2 max|x_i| |∇|. And where ∇ is
small, m_ik(D) is too for all pairs of a row and a class that have some p_ik: near the optimum D leaves them unmoved. A
few dimensions do: the null space of Σ a aᵀ over those pairs, a the coefficients of their margins.

The coordinates are free: here D_0 = 0, and columns of x that are orthonormal over the rows, without those directions
that no row has.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.protocols import Matrix, Vector

__all__ = ["Near"]

MAX_SIZE = 3000  # of H: 72 MB, and seconds
RANK = 1e-10  # of the largest singular value: less is no direction of its own
LIKELY = 1e-3  # p_ik above which a pair is taken to be unmoved
MAX_DIMENSIONS = 60
NULL = 1e-10  # of the largest eigenvalue


@dataclass(frozen=True, eq=False)
class Near:
    """A point near the optimum: rows in the coordinates above, and their probabilities."""

    U: Matrix  # (n, r)
    back: Matrix  # (d + 1, r): from directions in these coordinates to those of x
    y: NDArray[Any]
    p: Matrix  # (n, K)

    @classmethod
    def at(cls, X: Matrix, y: NDArray[Any], theta: Matrix, offset: Matrix | float = 0.0) -> Near:
        """From rows (n, d), theta, [W; b], and what is added to the logits."""
        n = len(X)
        whole = np.append(X, np.ones((n, 1)), axis=1)
        z = whole @ theta + offset
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        _, s, V = np.linalg.svd(np.linalg.qr(whole, mode="r"))
        kept = s > RANK * s[0]
        back = V[: len(s)][kept].T / s[kept] * math.sqrt(n)
        return cls(whole @ back, back, y, p)

    @property
    def size(self) -> int:
        """Of the Hessian."""
        return int(self.U.shape[1] * (self.p.shape[1] - 1))

    def proves_overlap(self, w: Vector) -> bool:
        """Whether the classes cannot be separated. False says nothing."""
        if self.size > MAX_SIZE:
            return False
        p, share = self.p, w / w.sum()
        residuals = share[:, None] * p
        residuals[np.arange(len(p)), self.y] -= share
        steepest = np.linalg.norm((self.U.T @ residuals)[:, 1:])
        H = self._blocks(lambda k, m: share * p[:, k] * ((k == m) - p[:, m]))
        diagonal = np.diag_indices_from(H)
        rounding = 1e-12 * H[diagonal].sum()
        H[diagonal] -= math.sqrt(2) * np.linalg.norm(self.U, axis=1).max() * steepest + rounding
        try:
            np.linalg.cholesky(H)
        except np.linalg.LinAlgError:
            return False
        return True

    def unmoved(self) -> Matrix | None:
        """Directions (d + 1, K, few) that leave all likely pairs unmoved; None where there are too many, or none."""
        if self.size > MAX_SIZE:
            return None
        (n, K), y = self.p.shape, self.y
        likely = (self.p > LIKELY).astype(float)
        likely[np.arange(n), y] = 0
        at = np.eye(K)[y]

        def weights(k: int, m: int) -> Vector:
            out: Vector = -at[:, k] * likely[:, m] - at[:, m] * likely[:, k]
            return out if k != m else at[:, k] * likely.sum(axis=1) + likely[:, k]

        Q = self._blocks(weights)
        Q[np.diag_indices_from(Q)] += 1e-14 * np.trace(Q) + np.finfo(float).tiny
        inverse = np.linalg.inv(Q)
        few = min(MAX_DIMENSIONS, len(Q))
        Z = np.random.default_rng(0).normal(size=(len(Q), few))
        for _ in range(6):  # inverse iteration: the null space is some 1e10 nearer than the rest
            Z, _ = np.linalg.qr(inverse @ Z)
        values, turn = np.linalg.eigh(Z.T @ Q @ Z)
        null = values < NULL * np.trace(Q)
        if not null.any() or (null.all() and few < len(Q)):
            return None
        Z = (Z @ turn[:, null]).reshape(K - 1, -1, null.sum())
        out = np.zeros((len(self.back), K, Z.shape[2]))
        np.einsum("jr,krz->jkz", self.back, Z, out=out[:, 1:])
        return out

    def _blocks(self, weights: Callable[[int, int], Vector]) -> Matrix:
        """Matrix of the blocks Uᵀ diag(weights(k, m)) U for the classes from 1 on."""
        r, K = self.U.shape[1], self.p.shape[1]
        square = np.empty((r * (K - 1), r * (K - 1)))
        out = square.reshape(K - 1, r, K - 1, r)
        for k in range(1, K):
            for m in range(k, K):
                out[k - 1, :, m - 1] = self.U.T @ (weights(k, m)[:, None] * self.U)
                out[m - 1, :, k - 1] = out[k - 1, :, m - 1].T
        return square
