"""CSR matrices for the portable passes: SciPy's products, and the native softmax on their logits.

Arithmetic is float64 throughout: the products wait for memory by the index of each entry, and float32 would save less
than a tenth of their time. Logits and residuals lie class by class, (K, rows), as the native kernels take them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.arrays import products
from softreg.kernels import native
from softreg.kernels.many import inner
from softreg.kernels.rows import Rows, chunks

__all__ = ["Sparse", "SparseBlock"]

LOGITS = 1 << 20  # held at once by a thread

Vector = NDArray[np.float64]
Small = tuple[Vector, Vector]


@dataclass(frozen=True, eq=False)
class Sparse:
    """Rows of a CSR matrix."""

    rows: Rows

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Chunks that threads take."""
        return chunks(len(self.rows))

    def small(self, W: Vector, b: Vector) -> Small:
        """W and b, rows of W in one piece."""
        return np.ascontiguousarray(W), b

    def blocks(self, begin: int, end: int, K: int) -> Iterator[SparseBlock]:
        """Blocks of rows begin to end."""
        size, index = max(1, LOGITS // K), self.rows.index
        for start in range(begin, end, size):
            stop = min(start + size, end)
            which = slice(start, stop) if index is None else index[start:stop]
            yield SparseBlock(self.rows, start, stop, products(self.rows.X, which))


@dataclass(frozen=True, eq=False)
class SparseBlock:
    """Rows begin to end: X (m, d), CSR. Logits have columns up to a multiple of 16, as the kernels write them."""

    rows: Rows
    begin: int
    end: int
    X: Any

    def times(self, small: Small) -> Vector:
        """X W + b, (K, ≥ m)."""
        W, b = small
        return self.own((self.X @ W + b).T)

    def logits(self, small: Small) -> Vector:
        """And the offsets."""
        z = self.times(small)
        self.rows.add_offset(z, self.begin, self.end)
        return z

    def softmax(self, z: Vector) -> Vector:
        """Probabilities, in place."""
        native.softmax(z, self.end - self.begin)
        return z

    def residuals(self, z: Vector) -> tuple[float, float, Vector]:
        """Sums of losses and of right labels; z becomes the residuals."""
        rows = self.rows
        return *native.softmax_xent(z, rows.y, rows.weights, rows.index, self.begin, self.end), z

    def linear(self, z: Vector, columns: Vector) -> tuple[float, Vector]:
        """⟨columns, z⟩, and the columns."""
        return inner(columns, self.columns(z)), self.own(columns)

    def change(self, p: Vector, u: Vector) -> Vector:
        """Of each direction, in place."""
        rows, K = self.rows, len(p)
        for k in range(0, len(u), K):
            native.softmax_change(p, u[k : k + K], rows.weights, rows.index, self.begin, self.end)
        return u

    def sums(self, t: Vector) -> Vector:
        """Of (x, 1) tᵀ."""
        T = self.columns(t)
        result = np.empty((self.X.shape[1] + 1, len(t)))
        result[:-1], result[-1] = self.X.T @ T.T, T.sum(axis=1)
        return result

    def columns(self, z: Vector) -> Vector:
        """Those of the rows."""
        return z[:, : self.end - self.begin]

    def own(self, columns: NDArray[Any]) -> Vector:
        """Into memory with room for the kernels."""
        z = np.zeros((len(columns), -(-columns.shape[1] // 16) * 16))
        z[:, : columns.shape[1]] = columns
        return z
