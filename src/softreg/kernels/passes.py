"""Blocked passes over X: the rows are up-cast a block at a time, never the whole.

    z = (scale · X + shift) W + b = X (scale · W) + (b + shift W)

    X (n, d) any numeric type   W (d, K)   b (K,)   scale, shift: scalars or (d,)

Scale and shift are folded into the small matrices, so that the pixels themselves are only converted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK_ROWS", "Block", "arithmetic", "blocks", "fold"]

BLOCK_ROWS = 1024

_SINGLE = {"bool", "uint8", "int8", "uint16", "int16", "float16", "bfloat16", "float32"}  # exact in float32


@dataclass(frozen=True, eq=False)
class Block:
    """Some rows of X and their logits, both in the arithmetic type; buffers that the next block reuses."""

    start: int
    stop: int
    X: NDArray[np.floating[Any]]  # (stop − start, d)
    logits: NDArray[np.floating[Any]]  # (stop − start, K)


def arithmetic(dtype: np.dtype[Any]) -> type[np.float32] | type[np.float64]:
    """Type of the arithmetic inside a block: float32 where it holds every value of X exactly, else float64.

    >>> arithmetic(np.dtype("uint8")).__name__, arithmetic(np.dtype("int64")).__name__
    ('float32', 'float64')
    """
    return np.float32 if dtype.name in _SINGLE else np.float64


def fold(
    W: NDArray[np.float64],
    b: NDArray[np.float64],
    scale: float | NDArray[np.float64],
    shift: float | NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and biases that apply to the unscaled X: scale · W and b + shift W."""
    scaled = W * (scale[:, None] if isinstance(scale, np.ndarray) else scale)
    return scaled, b + np.broadcast_to(shift, len(W)) @ W if np.any(shift) else b


def blocks(
    X: NDArray[Any],
    W: NDArray[np.float64],
    b: NDArray[np.float64],
    rows: NDArray[np.intp] | None = None,
) -> Iterator[Block]:
    """Yield the rows of X (or those that `rows` names, in its order) with their logits, block by block.

    W and b are folded already. Whoever asks for the next block gives up the last one: its arrays are written over.
    """
    n = len(X) if rows is None else len(rows)
    dtype: type[np.floating[Any]] = arithmetic(X.dtype)
    size = min(n, BLOCK_ROWS)
    W_, b_ = W.astype(dtype), b.astype(dtype)
    packed = np.empty((size, X.shape[1]), dtype)
    logits = np.empty((size, len(b)), dtype)
    for start in range(0, n, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, n)
        part, z = packed[: stop - start], logits[: stop - start]
        part[...] = X[start:stop] if rows is None else X.take(rows[start:stop], axis=0)
        np.matmul(part, W_, out=z)
        z += b_
        yield Block(start, stop, part, z)
