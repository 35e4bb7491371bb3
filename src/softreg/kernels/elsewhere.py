"""Arrays on a device for the portable passes: products and softmax are done there, by the array API.

W and b go there once for a pass; labels and weights with their block. What comes back are sums. Logits and residuals
are (rows, K) in the arithmetic type; losses add up in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.arrays import as_numpy
from softreg.kernels.rows import Rows

__all__ = ["Elsewhere", "FarBlock"]

BLOCK_BYTES = 64 << 20  # of rows widened, and of their logits

Vector = NDArray[np.float64]
Array = Any  # on the device


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """Rows of an array on a device."""

    rows: Rows

    @cached_property
    def xp(self) -> Any:
        """The array's library."""
        import array_api_compat

        return array_api_compat.array_namespace(self.rows.X)

    @cached_property
    def device(self) -> Any:
        """Where the array is."""
        import array_api_compat

        return array_api_compat.device(self.rows.X)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """All rows: the device has threads of its own."""
        return [(0, len(self.rows))] if len(self.rows) else []

    def there(self, array: NDArray[Any]) -> Array:
        """Copy an array to the device."""
        return self.xp.asarray(np.ascontiguousarray(array), device=self.device)

    def small(self, W: Vector, b: Vector) -> tuple[Array, Array]:
        """W and b in the arithmetic type."""
        T = self.rows.arithmetic
        return self.there(W.astype(T)), self.there(b.astype(T))

    def blocks(self, begin: int, end: int, K: int) -> Iterator[FarBlock]:
        """Blocks of rows begin to end."""
        rows, xp = self.rows, self.xp
        T = np.dtype(rows.arithmetic)
        size = max(1, BLOCK_BYTES // (T.itemsize * max(K, rows.X.shape[1])))
        for start in range(begin, end, size):
            stop = min(start + size, end)
            if rows.index is None:
                which: Any = slice(start, stop)
                X = rows.X[start:stop, :]
            else:
                which = rows.index[start:stop]
                X = xp.take(rows.X, self.there(which), axis=0)
            w = None if rows.weights is None else self.there(rows.weights[which])
            y = self.there(rows.y[which].astype(np.int64))
            yield FarBlock(self, start, stop, xp.astype(X, getattr(xp, T.name)), y, w)


@dataclass(frozen=True, eq=False)
class FarBlock:
    """Rows begin to end: X (m, d), y (m,) and w (m,) on the device."""

    storage: Elsewhere
    begin: int
    end: int
    X: Array
    y: Array
    w: Array | None

    def times(self, small: tuple[Array, Array]) -> Array:
        """X W + b, (m, K)."""
        W, b = small
        return self.X @ W + b

    def logits(self, small: tuple[Array, Array]) -> Array:
        """And the offsets."""
        z, rows = self.times(small), self.storage.rows
        if rows.offset is None:
            return z
        which = slice(self.begin, self.end) if rows.index is None else rows.index[self.begin : self.end]
        return z + self.storage.there(rows.offset[which].astype(rows.arithmetic))

    def softmax(self, z: Array) -> Array:
        """Probabilities (m, K)."""
        e, others, _, _ = self._split(z)
        return e / self.storage.xp.astype(1.0 + others, e.dtype)

    def residuals(self, z: Array) -> tuple[float, float, Array]:
        """Sums of losses and of right labels, and w (p − onehot), (m, K)."""
        xp = self.storage.xp
        e, others, peak, top = self._split(z)
        label = self._is(self.y, z.shape[1])
        right = self.y == top
        of_label = xp.sum(xp.where(label, z, xp.zeros_like(z)), axis=1, keepdims=True)
        below = xp.astype(peak, xp.float64) - xp.astype(of_label, xp.float64)
        losses = xp.squeeze(xp.log1p(others) + below, axis=1)
        p = e / xp.astype(1.0 + others, e.dtype)
        # Of a label that is the likeliest, p − 1 is minus what the others have: it keeps its digits.
        others_share = xp.astype(others / (1.0 + others), e.dtype)
        R = xp.where(label, xp.where(xp.expand_dims(right, axis=1), -others_share, p - 1.0), p)
        correct = xp.astype(right & ~xp.isnan(losses), xp.float64)
        return float(xp.sum(self._weighted(losses))), float(xp.sum(self._weighted(correct))), self._weighted(R)

    def linear(self, z: Array, columns: Vector) -> tuple[float, Array]:
        """⟨columns, z⟩ in float64, where an infinite logit counts for nothing that its column is 0 for; and those."""
        xp, c = self.storage.xp, self.storage.there(columns.T)
        terms = xp.where(c != 0, c * xp.astype(z, xp.float64), xp.zeros_like(c))
        return float(xp.sum(terms)), xp.astype(c, z.dtype)

    def change(self, p: Array, u: Array) -> Array:
        """Return w (diag(p) − p pᵀ) u for directions u (m, directions · K)."""
        xp, (m, K) = self.storage.xp, p.shape
        u = xp.reshape(u, (m, -1, K))
        p = xp.expand_dims(p, axis=1)
        return self._weighted(xp.reshape(p * (u - xp.sum(p * u, axis=2, keepdims=True)), (m, -1)))

    def sums(self, t: Array) -> Vector:
        """Of (x, 1) tᵀ."""
        xp = self.storage.xp
        ones = xp.sum(t, axis=0, keepdims=True, dtype=xp.float64)
        of_X = xp.astype(xp.matrix_transpose(self.X) @ t, xp.float64)
        return np.array(as_numpy(xp.concat([of_X, ones], axis=0)))

    def columns(self, z: Array) -> NDArray[Any]:
        """As a NumPy array (K, m)."""
        return np.ascontiguousarray(as_numpy(z).T)

    def own(self, columns: NDArray[Any]) -> Array:
        """And back, (m, K), in the arithmetic type."""
        return self.storage.there(columns.T.astype(self.storage.rows.arithmetic))

    def _split(self, z: Array) -> tuple[Array, Array, Array, Array]:
        """exp(z − peak), its float64 sum without one that has the peak, the peak, (m, 1) both, and its place, (m,)."""
        xp = self.storage.xp
        top = xp.argmax(z, axis=1)
        at = self._is(top, z.shape[1])
        peak = xp.max(z, axis=1, keepdims=True)
        e = xp.exp(z - peak)
        wrong = peak - peak  # 0, or nan where the maximum is nan or infinite
        others = xp.sum(xp.where(at, xp.zeros_like(e), e), axis=1, keepdims=True, dtype=xp.float64)
        others = others + xp.astype(wrong, xp.float64)
        return xp.where(at, xp.ones_like(e), e), others, peak, top

    def _is(self, codes: Array, K: int) -> Array:
        """Whether each class is that of the row, (m, K)."""
        xp = self.storage.xp
        return xp.expand_dims(codes, axis=1) == xp.arange(K, dtype=codes.dtype, device=self.storage.device)

    def _weighted(self, v: Array) -> Array:
        """v (m, …) times the rows' weights; a row of weight 0 counts as absent, whatever it holds."""
        if self.w is None:
            return v
        xp = self.storage.xp
        w = xp.astype(self.w if v.ndim == 1 else xp.expand_dims(self.w, axis=1), v.dtype)
        return xp.where(w != 0, w * v, xp.zeros_like(v))
