"""Rows of X as the kernels take them, and what is folded into the small matrices instead of being done to them.

z = (scale · X + shift) W + b + offset = X (scale · W) + (b + shift W) + offset

X (n, d) any numeric type   W (d, K)   b (K,)   scale, shift: scalars or (d,)   offset (n, K), or none
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.arrays import dtype_name, is_sparse

__all__ = ["TILES", "Rows", "arithmetic", "chunks", "fold"]

MAX_CHUNKS = 16
TILES = 48  # rows: whole tiles and whole vectors of every instruction set
MIN_CHUNK_ROWS = 2048  # fewer rows stay on one thread: a minibatch is sooner done than shared out

_SINGLE = {"bool", "uint8", "int8", "uint16", "int16", "float16", "bfloat16", "float32"}  # exact in float32
_AS_IT_LIES = {"uint8", "int8", "float16", "float32", "float64"}  # what the kernels read in place
_SAME_BYTES = {"bool": "uint8", "bfloat16": "uint16"}  # and what they read under another name


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of X, in the order of `index` where there is one, with their labels and weights."""

    X: Any  # (n, d), of any storage
    y: NDArray[np.int32]  # (n,), of all of X
    weights: NDArray[np.float64] | None = None  # as y
    index: NDArray[np.int64] | None = None
    precise: bool = False  # float64 arithmetic, whatever the type
    offset: NDArray[Any] | None = None  # (n, K), as y: added to the logits

    def __len__(self) -> int:
        return int(self.X.shape[0]) if self.index is None else len(self.index)

    @property
    def weight(self) -> float:
        """Σw."""
        w = self.weights
        return float(len(self)) if w is None else float(w.sum() if self.index is None else w[self.index].sum())

    @property
    def arithmetic(self) -> type[np.float32] | type[np.float64]:
        """Type of the arithmetic inside a block."""
        return np.float64 if self.precise or is_sparse(self.X) else arithmetic(self.X.dtype)

    @property
    def in_place(self) -> bool:
        """Whether the kernels read X as it lies."""
        name = dtype_name(self.X.dtype)
        return name in _SAME_BYTES or (name in _AS_IT_LIES and self.X.dtype.isnative)

    def add_offset(self, z: NDArray[Any], begin: int, end: int) -> None:
        """Add the offsets of rows begin to end to the logits (K, ≥ end − begin) of those rows."""
        if self.offset is not None:
            which = slice(begin, end) if self.index is None else self.index[begin:end]
            z[:, : end - begin] += self.offset[which].T

    def readable(self, begin: int, end: int) -> tuple[Rows, int, int]:
        """Return rows that the kernels can read, and the span of theirs that is this one.

        In place where the type allows, else these rows alone, converted.
        """
        if self.in_place:
            other = _SAME_BYTES.get(dtype_name(self.X.dtype))
            return self if other is None else replace(self, X=self.X.view(other)), begin, end
        which = slice(begin, end) if self.index is None else self.index[begin:end]
        weights = None if self.weights is None else self.weights[which]
        return Rows(self.X[which].astype(self.arithmetic), self.y[which], weights), 0, end - begin


def arithmetic(dtype: Any) -> type[np.float32] | type[np.float64]:
    """Type of the arithmetic inside a block: float32 where it holds every value of X exactly, else float64.

    >>> arithmetic(np.dtype("uint8")).__name__, arithmetic(np.dtype("int64")).__name__
    ('float32', 'float64')
    """
    return np.float32 if dtype_name(dtype) in _SINGLE else np.float64


def fold(
    W: NDArray[np.float64],
    b: NDArray[np.float64],
    scale: float | NDArray[np.float64],
    shift: float | NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and biases that apply to the unscaled X: scale · W and b + shift W."""
    column = scale[:, None] if isinstance(scale, np.ndarray) else scale
    scaled = W if np.ndim(scale) == 0 and scale == 1 else W * column  # W may be large: no copy of it for nothing
    if isinstance(shift, float) and shift == 0:  # np.any takes longer than the rest
        return scaled, b
    return scaled, b + np.broadcast_to(shift, len(W)) @ W if np.any(shift) else b


def chunks(n: int) -> list[tuple[int, int]]:
    """Spans of rows, a function of their number alone.

    >>> chunks(5000)
    [(0, 2048), (2048, 4096), (4096, 5000)]
    """
    size = max(MIN_CHUNK_ROWS, -(-n // MAX_CHUNKS))
    size = -(-size // 64) * 64
    return [(start, min(start + size, n)) for start in range(0, n, size)]
