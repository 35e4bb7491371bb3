"""Weights and biases as the kernels take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.kernels import native
from softreg.kernels.rows import Rows

__all__ = ["Classes", "aligned_zeros"]

FEW_CLASSES = 64  # up to here the register tiles are faster than BLAS
CACHE_LINE = 64  # bytes


@dataclass(frozen=True, eq=False)
class Classes:
    """Weights and biases in the arithmetic type, class by class, padded with zeros as the kernels take them."""

    W: NDArray[Any]  # (K, ≥ d)
    b: NDArray[Any]  # (K,)
    d: int

    @classmethod
    def of(cls, rows: Rows, W: NDArray[np.float64], b: NDArray[np.float64]) -> Classes:
        """From W (d, K) and b (K,), folded already."""
        T = rows.arithmetic
        d, K = W.shape
        padded = aligned_zeros(K, native.padded(T is np.float32, d), T)
        padded[:, :d] = W.T
        return cls(padded, b.astype(T), d)

    @property
    def few(self) -> bool:
        """Whether they are done in register tiles."""
        return len(self.b) <= FEW_CLASSES

    def scratch(self, more: int = 0) -> NDArray[np.uint8]:
        """Memory for a kernel on these classes and some more."""
        return np.empty(native.scratch_bytes(self.W.dtype == np.float32, self.d, len(self.b) + more), np.uint8)


def aligned_zeros(K: int, d: int, dtype: Any) -> NDArray[Any]:
    """Zeros that begin with a cache line: a vector across two of them is loaded at half the speed."""
    size = K * d * np.dtype(dtype).itemsize
    memory = np.zeros(size + CACHE_LINE, np.uint8)
    start = -memory.__array_interface__["data"][0] % CACHE_LINE  # .ctypes takes longer than the rest
    aligned: NDArray[Any] = memory[start : start + size].view(dtype).reshape(K, d)
    return aligned
