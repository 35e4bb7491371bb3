"""Symmetric matrices and their factors as lower triangles: half the memory of the square, and of the way through it.

A triangle lies in panels, of some rows each up to the diagonal. All that is done to it is done in its place.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.protocols import Matrix, Vector

__all__ = ["Triangle"]

PANEL_ROWS = 128  # of fewer products run slower, of more there is more beyond the diagonal
WHOLE_ROWS = 400  # up to here the square is small, and LAPACK sooner done


@dataclass(frozen=True, eq=False)
class Triangle:
    """A lower triangle; what is beyond the diagonal in a panel is the matrix's own or 0."""

    panels: list[tuple[slice, NDArray[Any]]]  # rows, and (rows, up to their last)

    @classmethod
    def zeros(cls, n: int, T: Any = float) -> Triangle:
        """Return that of a matrix of zeros, (n, n)."""
        count = 1 if n <= WHOLE_ROWS else -(-n // PANEL_ROWS)
        rows = [slice(n * i // count, n * (i + 1) // count) for i in range(count)]
        ends = list(itertools.accumulate((i.stop - i.start) * i.stop for i in rows))
        # In one piece: small ones that outlive what was around them leave holes in a process's memory.
        pieces = np.split(np.zeros(ends[-1], T), ends[:-1])
        return cls([(i, piece.reshape(-1, i.stop)) for i, piece in zip(rows, pieces, strict=True)])

    @classmethod
    def of(cls, G: Matrix) -> Triangle:
        """Return that of a matrix, as a copy."""
        new = cls.zeros(len(G), G.dtype)
        for i, panel in new.panels:
            panel[...] = G[i, : i.stop]
        return new

    def __len__(self) -> int:
        return int(self.panels[-1][0].stop)

    @property
    def diagonal(self) -> Vector:
        """A copy of the diagonal."""
        return np.concatenate([np.diagonal(panel[:, i]) for i, panel in self.panels])

    def set_diagonal(self, values: Vector) -> None:
        """Write other values there."""
        for i, panel in self.panels:
            np.fill_diagonal(panel[:, i], values[i])

    @property
    def finite(self) -> bool:
        """Whether every number is."""
        return all(np.isfinite(panel).all() for _, panel in self.panels)

    def square(self) -> Matrix:
        """Return the symmetric matrix whose triangle this is."""
        G = np.empty((len(self),) * 2, self.panels[0][1].dtype)
        for i, panel in self.panels:
            G[i, : i.stop] = panel
            G[: i.stop, i] = panel.T
        return G

    def add(self, X: NDArray[Any]) -> None:
        """Add Xᵀ X, its products in the type of X."""
        for i, panel in self.panels:
            panel += X[:, i].T @ X[:, : i.stop]

    def scale(self, root: Vector) -> None:
        """Multiply by a diagonal from both sides."""
        for i, panel in self.panels:
            panel *= root[: i.stop]
            panel *= root[i, None]

    def factor(self) -> None:
        """Make of A the Cholesky factor L, A = L Lᵀ; raises LinAlgError where there is none."""
        for at, (j, pivot) in enumerate(self.panels):
            below = self.panels[at + 1 :]
            left = pivot[:, : j.start].T
            for _, panel in self.panels[at:]:
                panel[:, j] -= panel[:, : j.start] @ left
            pivot[:, j] = np.linalg.cholesky(pivot[:, j])
            if below:
                # Solved, not multiplied by an inverse, which would cost a singular matrix its last digits.
                solved = np.linalg.solve(pivot[:, j], np.concatenate([panel[:, j] for _, panel in below]).T)
                for i, panel in below:
                    panel[:, j] = solved[:, i.start - j.stop : i.stop - j.stop].T

    def invert(self) -> None:
        """Make of L its inverse."""
        for at, (i, panel) in enumerate(self.panels):
            own = _inverse(panel[:, i])
            left = np.zeros((len(panel), i.start), panel.dtype)
            for j, above in self.panels[:at]:
                left[:, : j.stop] += panel[:, j] @ above
            np.matmul(-own, left, out=panel[:, : i.start])
            panel[:, i] = own

    def astype(self, T: Any) -> Triangle:
        """Return a copy in another type."""
        new = Triangle.zeros(len(self), T)
        for (_, copy), (_, panel) in zip(new.panels, self.panels, strict=True):
            copy[...] = panel
        return new

    def squared_product(self, v: NDArray[Any]) -> NDArray[Any]:
        """Return Rᵀ R v, R being the triangle: each panel is in cache the second time."""
        result = np.zeros_like(v)
        for i, panel in self.panels:
            result[: i.stop] += panel.T @ (panel @ v[: i.stop])
        return result


def _inverse(L: NDArray[Any]) -> NDArray[Any]:
    """Inverse of a lower triangle by halves: a third of the work that a general inverse takes."""
    n = len(L)
    if n <= 64:
        return np.linalg.inv(L)
    h = n // 2
    R = np.zeros_like(L)
    R[:h, :h], R[h:, h:] = _inverse(L[:h, :h]), _inverse(L[h:, h:])
    R[h:, :h] = -R[h:, h:] @ (L[h:, :h] @ R[:h, :h])
    return R
