"""Passes over X: the rows are widened a block at a time as they go through the cache, never the whole.

    z = (scale · X + shift) W + b = X (scale · W) + (b + shift W)

    X (n, d) any numeric type   W (d, K)   b (K,)   scale, shift: scalars or (d,)

Scale and shift are folded into the small matrices, so that the pixels themselves are only converted. Logits and
residuals lie class by class, (K, n). Rows are cut into chunks that depend on their number alone; chunks run on as many
threads as there are, and what they give is added up in their order: the bits are the same for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.kernels import native
from softreg.kernels.threads import in_order

__all__ = [
    "Classes",
    "Rows",
    "Sums",
    "arithmetic",
    "blocks",
    "chunks",
    "fold",
    "fused",
    "loss",
    "with_logits",
]

MAX_CHUNKS = 16
MIN_CHUNK_ROWS = 2048  # fewer rows stay on one thread: a minibatch is sooner done than shared out
FEW_CLASSES = 64  # up to here the register tiles are faster than BLAS
FEW_BLOCK = 1024  # rows whose logits are held at once
MANY_LOGITS = 1 << 22  # logits held at once by a thread, for many classes
CLASS_SLICE = 4096
CACHE_LINE = 64  # bytes

_SINGLE = {"bool", "uint8", "int8", "uint16", "int16", "float16", "bfloat16", "float32"}  # exact in float32
_AS_IT_LIES = {"uint8", "int8", "float16", "float32", "float64"}  # what the kernels read in place
_SAME_BYTES = {"bool": "uint8", "bfloat16": "uint16"}  # and what they read under another name


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of X, in the order of `index` where there is one, with their labels and weights."""

    X: NDArray[Any]  # (n, d)
    y: NDArray[np.int32]  # (n,), of all of X
    weights: NDArray[np.float64] | None = None  # as y
    index: NDArray[np.int64] | None = None
    precise: bool = False  # float64 arithmetic, whatever the type

    def __len__(self) -> int:
        return len(self.X) if self.index is None else len(self.index)

    @property
    def arithmetic(self) -> type[np.float32] | type[np.float64]:
        """Type of the arithmetic inside a block."""
        return np.float64 if self.precise else arithmetic(self.X.dtype)

    @property
    def in_place(self) -> bool:
        """Whether the kernels read X as it lies."""
        name = self.X.dtype.name
        return name in _SAME_BYTES or (name in _AS_IT_LIES and self.X.dtype.isnative)

    def readable(self, begin: int, end: int) -> tuple[Rows, int, int]:
        """Return rows that the kernels can read, and the span of theirs that is this one.

        In place where the type allows, else these rows alone, converted.
        """
        if self.in_place:
            other = _SAME_BYTES.get(self.X.dtype.name)
            return self if other is None else replace(self, X=self.X.view(other)), begin, end
        which = slice(begin, end) if self.index is None else self.index[begin:end]
        weights = None if self.weights is None else self.weights[which]
        return Rows(self.X[which].astype(self.arithmetic), self.y[which], weights), 0, end - begin


@dataclass(frozen=True, eq=False)
class Sums:
    """Weighted sums over rows: of their losses, of right labels, and of residuals with and without their features."""

    loss: float
    n_correct: float
    W: NDArray[np.float64]  # (K, d): Σ_i w_i (p − onehot) x_iᵀ
    b: NDArray[np.float64]  # (K,)

    def plus(self, other: Sums) -> Sums:
        """Add other rows' sums to these, whose arrays are written over."""
        np.add(self.W, other.W, out=self.W)
        np.add(self.b, other.b, out=self.b)
        return Sums(self.loss + other.loss, self.n_correct + other.n_correct, self.W, self.b)


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


def fused(rows: Rows, W: NDArray[np.float64], b: NDArray[np.float64], n_threads: int | None = None) -> Sums:
    """Loss and gradient sums in one pass over X. W and b are folded already."""
    classes = Classes.of(rows, W, b)
    total = Sums(0.0, 0.0, np.zeros(W.T.shape), np.zeros(len(b)))
    for part in in_order(lambda span: _fused(rows, classes, *span), chunks(len(rows)), n_threads):
        total = total.plus(part)
    return total


def loss(
    rows: Rows, W: NDArray[np.float64], b: NDArray[np.float64], n_threads: int | None = None
) -> tuple[float, float]:
    """Sum of losses and of right labels: half a pass."""
    classes = Classes.of(rows, W, b)

    def chunk(span: tuple[int, int]) -> list[tuple[float, float]]:
        return [
            native.softmax_xent(z, part.y, part.weights, part.index, begin, end)
            for part, begin, end, _, z in blocks(rows, classes, *span)
        ]

    figures = [figure for part in in_order(chunk, chunks(len(rows)), n_threads) for figure in part]
    return sum(figure[0] for figure in figures), sum(figure[1] for figure in figures)


def with_logits(
    X: NDArray[Any],
    W: NDArray[np.float64],
    b: NDArray[np.float64],
    use: Callable[[slice, NDArray[Any]], object],
    n_threads: int | None = None,
) -> None:
    """Call `use` with each block of rows and their logits (K, rows), which are written over afterwards.

    Several threads call it, for other rows at a time, so it writes to its own rows only.
    """
    rows = Rows(X, np.empty(0, np.int32))
    classes = Classes.of(rows, W, b)

    def chunk(span: tuple[int, int]) -> None:
        at = span[0]
        for _, begin, end, _, z in blocks(rows, classes, *span):
            stop = at + end - begin
            use(slice(at, stop), z[:, : end - begin])
            at = stop

    for _ in in_order(chunk, chunks(len(X)), n_threads):
        pass


def chunks(n: int) -> list[tuple[int, int]]:
    """Spans of rows, a function of their number alone.

    >>> chunks(5000)
    [(0, 2048), (2048, 4096), (4096, 5000)]
    """
    size = max(MIN_CHUNK_ROWS, -(-n // MAX_CHUNKS))
    size = -(-size // 64) * 64
    return [(start, min(start + size, n)) for start in range(0, n, size)]


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
        padded = _aligned_zeros(K, native.padded(T is np.float32, d), T)
        padded[:, :d] = W.T
        return cls(padded, b.astype(T), d)

    @property
    def few(self) -> bool:
        """Whether they are done in register tiles."""
        return len(self.b) <= FEW_CLASSES

    def scratch(self, more: int = 0) -> NDArray[np.uint8]:
        """Memory for a kernel on these classes and some more."""
        return np.empty(native.scratch_bytes(self.W.dtype == np.float32, self.d, len(self.b) + more), np.uint8)


def _aligned_zeros(K: int, d: int, dtype: type[np.floating[Any]]) -> NDArray[Any]:
    """Zeros that begin with a cache line: a vector across two of them is loaded at half the speed."""
    size = K * d * np.dtype(dtype).itemsize
    memory = np.zeros(size + CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start : start + size].view(dtype).reshape(K, d)


def _fused(rows: Rows, classes: Classes, begin: int, end: int) -> Sums:
    K = len(classes.b)
    W, b = np.zeros((K, classes.d)), np.zeros(K)
    if classes.few:
        rows, begin, end = rows.readable(begin, end)
        loss, n_correct = native.fused(
            rows.X, rows.index, rows.y, rows.weights, begin, end, classes.W, classes.b, classes.scratch(), W, b
        )
        return Sums(loss, n_correct, W, b)
    loss = n_correct = 0.0
    for part, first, last, X, z in blocks(rows, classes, begin, end):
        block = native.softmax_xent(z, part.y, part.weights, part.index, first, last)
        loss, n_correct = loss + block[0], n_correct + block[1]
        residuals = z[:, : last - first]
        for k in range(0, K, CLASS_SLICE):  # no second matrix of the gradient's size in float32
            W[k : k + CLASS_SLICE] += residuals[k : k + CLASS_SLICE] @ X
        b += residuals.sum(axis=1, dtype=float)
    return Sums(loss, n_correct, W, b)


def blocks(
    rows: Rows, classes: Classes, begin: int, end: int
) -> Iterator[tuple[Rows, int, int, NDArray[Any], NDArray[Any]]]:
    """Yield blocks of a chunk: rows with labels that the kernels read, their span, X widened, and logits (K, ≥ span).

    X is widened for many classes only: for few it never leaves the kernel, and an empty array stands here.
    """
    K, T = len(classes.b), classes.W.dtype
    size = FEW_BLOCK if classes.few else max(64, min(512, MANY_LOGITS // K // 16 * 16))
    size = min(size, -(-(end - begin) // 16) * 16)
    z = np.empty((K, size), T)
    packed = np.empty((0 if classes.few else size, classes.d), T)
    scratch = classes.scratch() if classes.few else None
    for start in range(begin, end, size):
        stop = min(start + size, end)
        if scratch is not None:
            part, first, last = rows.readable(start, stop)
            native.forward(part.X, part.index, first, last, classes.W, classes.b, scratch, z)
            yield part, first, last, packed, z
        else:
            m = stop - start
            packed[:m] = rows.X[start:stop] if rows.index is None else rows.X[rows.index[start:stop]]
            np.matmul(classes.W[:, : classes.d], packed[:m].T, out=z[:, :m])
            z[:, :m] += classes.b[:, None]
            yield rows, start, stop, packed[:m], z
