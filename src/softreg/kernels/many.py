"""Passes for many classes: blocks of rows one after the other, each shared out among the threads by its classes.

Logits of a block (K, rows), and what becomes of them, are multiplied by slices of classes; the softmax between runs on
segments of rows. Slices and segments depend on the sizes alone, and no two threads add to the same sum, so the bits are
the same for any number of threads and nothing is added up twice.

A slice's products add up in the arithmetic type over FLUSH_ROWS rows and in float64 beyond, where two sets of sums fit
SUMS_BYTES. Where they do not, they add up in the arithmetic type throughout: memory beyond X and W is then a block's
logits, W in that type, and the sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.kernels import native
from softreg.kernels.classes import Classes, aligned_zeros
from softreg.kernels.rows import TILES, Rows
from softreg.kernels.threads import in_order

__all__ = ["Block", "Columns", "Products", "blocks", "curvature", "fused", "inner", "products", "slices"]

LOGITS_BYTES = 64 << 20  # of a block
MAX_BLOCK = 480  # rows; with 1024 the classes' logits lie 4096 bytes apart, and share what the cache has for one
FLUSH_ROWS = 2048
SUMS_BYTES = 64 << 20
SLICES, MIN_SLICE, MAX_SLICE = 8, 12, 1020  # classes; whole tiles of the kernels'
SEGMENT = 5 * TILES  # rows

Span = tuple[int, int]
Columns = Callable[[int, int], NDArray[np.float64]]  # rows begin to end ↦ (K, end − begin)


def slices(K: int) -> list[Span]:
    """Spans of classes, a function of their number alone.

    >>> slices(100)
    [(0, 24), (24, 48), (48, 72), (72, 96), (96, 100)]
    """
    size = min(max(MIN_SLICE, -(-K // SLICES)), MAX_SLICE)
    size = -(-size // MIN_SLICE) * MIN_SLICE
    return [(start, min(start + size, K)) for start in range(0, K, size)]


@dataclass(frozen=True, eq=False)
class Block:
    """Rows begin to end, widened and packed."""

    begin: int
    end: int
    X: NDArray[Any]  # (≥ m, ≥ d)
    n_threads: int | None

    def __len__(self) -> int:
        return self.end - self.begin

    def room(self, K: int) -> NDArray[Any]:
        """Memory for logits: a column for each row, and more up to what the kernels write."""
        return np.empty((K, len(self.X)), self.X.dtype)

    def forward(self, classes: Classes, z: NDArray[Any]) -> None:
        """Logits into z."""

        def part(span: Span) -> None:
            k = slice(*span)
            native.forward_packed(self.X, len(self), classes.W[k], classes.b[k], z[k])

        self.each(part, slices(len(classes.b)))

    def by_rows(self, use: Callable[[slice, int, int], tuple[float, float] | None]) -> tuple[float, float]:
        """Call `use` with each segment's columns and its first and last row; add up what it returns."""

        def part(span: Span) -> tuple[float, float]:
            first, last = span
            columns = slice(first, first + -(-(last - first) // 16) * 16)
            return use(columns, self.begin + first, self.begin + last) or (0.0, 0.0)

        segments = [(start, min(start + SEGMENT, len(self))) for start in range(0, len(self), SEGMENT)]
        figures = self.each(part, segments)
        return sum(figure[0] for figure in figures), sum(figure[1] for figure in figures)

    def each(self, function: Callable[[Span], Any], spans: list[Span]) -> list[Any]:
        """Call the function with each span, on the threads there are."""
        return list(in_order(function, spans, self.n_threads))


def blocks(rows: Rows, span: Span, K: int, n_threads: int | None) -> Iterator[Block]:
    """Blocks of the rows in the span, for K logits a row."""
    T = np.dtype(rows.arithmetic)
    size = min(MAX_BLOCK, max(TILES, LOGITS_BYTES // (T.itemsize * K) // TILES * TILES), max(span[1] - span[0], 1))
    packed = np.empty((-(-size // TILES) * TILES, native.padded(np.float32 == T, rows.X.shape[1])), T)
    for start in range(*span, size):
        stop = min(start + size, span[1])
        part, begin, end = rows.readable(start, stop)
        native.pack(part.X, part.index, begin, end, packed)
        yield Block(start, stop, packed, n_threads)


class Products:
    """Running sums of what blocks' columns z give when multiplied with (x, 1)."""

    def __init__(self, K: int, d: int, width: int, dtype: np.dtype[Any]) -> None:
        self.d, self.waiting = d, 0
        self.short = aligned_zeros(K, width, dtype)
        self.long = np.zeros((K, d)) if 2 * K * d * 8 <= SUMS_BYTES else None
        self.ones = np.zeros(K)

    def add(self, block: Block, z: NDArray[Any]) -> None:
        """Add a block's."""
        self.waiting += len(block)
        flush, one = self.waiting >= FLUSH_ROWS, np.ones(len(block), z.dtype)

        def part(span: Span) -> None:
            k = slice(*span)
            native.backward_packed(block.X, len(block), z[k], self.short[k])
            self.ones[k] += z[k, : len(block)] @ one
            if flush:
                self._flush(k)

        block.each(part, slices(len(z)))
        if flush:
            self.waiting = 0

    def total(self) -> NDArray[np.float64]:
        """Return the sums, (d + 1, K)."""
        self._flush(slice(None))
        sums = np.empty((self.d + 1, len(self.ones)))
        source = self.short[:, : self.d] if self.long is None else self.long
        for k in range(0, len(source), 64):  # turned over a piece at a time, as caches like it
            sums[:-1, k : k + 64] = source[k : k + 64].T
        sums[-1] = self.ones
        return sums

    def _flush(self, k: slice) -> None:
        if self.long is not None:
            self.long[k] += self.short[k, : self.d]
            self.short[k] = 0


def inner(c: NDArray[np.float64], z: NDArray[Any]) -> float:
    """⟨c, z⟩, where an infinite logit counts for nothing that c is 0 for."""
    product = float(np.vdot(c, z.astype(float)))
    return product if math.isfinite(product) else float(np.sum(c * z, where=c != 0))


def products(rows: Rows, K: int, span: Span, columns: Columns, n_threads: int | None) -> NDArray[np.float64]:
    """Sums (d + 1, K) over the rows in the span of (x, 1) times what `columns` gives for them."""
    T = np.dtype(rows.arithmetic)
    sums = Products(K, rows.X.shape[1], native.padded(np.float32 == T, rows.X.shape[1]), T)
    for block in blocks(rows, span, K, n_threads):
        z = block.room(K)
        z[:, : len(block)] = columns(block.begin, block.end)
        sums.add(block, z)
    return sums.total()


def fused(
    rows: Rows, classes: Classes, span: Span, columns: Columns | None, n_threads: int | None
) -> tuple[float, float, NDArray[np.float64]]:
    """Sums over the rows in the span of losses, of right labels, and of residuals times (x, 1), (d + 1, K).

    Losses gain what `columns` gives for the rows times the logits, and residuals gain the columns themselves.
    """
    K = len(classes.b)
    sums = Products(K, classes.d, classes.W.shape[1], classes.W.dtype)
    loss = n_correct = 0.0
    z: NDArray[Any] = np.empty((0, 0))
    for block in blocks(rows, span, K, n_threads):
        z = z if len(z) else block.room(K)

        def softmax(columns: slice, first: int, last: int, z: NDArray[Any] = z) -> tuple[float, float]:
            return native.softmax_xent(z[:, columns], rows.y, rows.weights, rows.index, first, last)

        block.forward(classes, z)
        rows.add_offset(z, block.begin, block.end)
        change = None if columns is None else columns(block.begin, block.end)
        if change is not None:
            loss += inner(change, z[:, : len(block)])
        figures = block.by_rows(softmax)
        loss, n_correct = loss + figures[0], n_correct + figures[1]
        if change is not None:
            z[:, : len(block)] += change
        sums.add(block, z)
    return loss, n_correct, sums.total()


def curvature(
    rows: Rows, point: Classes, directions: Classes, probs: NDArray[Any] | None, n_threads: int | None
) -> NDArray[np.float64]:
    """Sums (d + 1, m·K) of the Hessian at `point` times m directions."""
    K, every = len(point.b), len(directions.b)
    sums = Products(every, directions.d, directions.W.shape[1], directions.W.dtype)
    for block in blocks(rows, (0, len(rows)), K + every, n_threads):
        p, u = block.room(K), block.room(every)
        if probs is None:
            block.forward(point, p)
            rows.add_offset(p, block.begin, block.end)
        else:
            p[:, : len(block)] = probs[:, block.begin : block.end]
            p[:, len(block) :] = 0
        block.forward(directions, u)

        def change(columns: slice, first: int, last: int, p: NDArray[Any] = p, u: NDArray[Any] = u) -> None:
            if probs is None:
                native.softmax(p[:, columns], last - first)
            for k in range(0, every, K):
                native.softmax_change(p[:, columns], u[k : k + K, columns], rows.weights, rows.index, first, last)

        block.by_rows(change)
        sums.add(block, u)
    return sums.total()
