"""Passes over X: the rows are widened a block at a time as they go through the cache, never the whole.

Pixels themselves are only converted: scale and shift are folded into W and b (`rows`). Logits and residuals lie class
by class, (K, n). With few classes, rows are cut into chunks that depend on their number alone; chunks run on as many
threads as there are, and what they give is added up in their order: the bits are the same for any number of threads.
With many classes it is the classes that are shared out (`many`).

Labels are what the kernels know. Rows that want the distributions T_i instead give the columns C_i = w_i (e_y − T_i):
their loss is the labels' plus Σ_i ⟨C_i, z_i⟩, which is linear, and their residuals are the labels' plus C_i.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.kernels import many, native
from softreg.kernels.classes import FEW_CLASSES, Classes
from softreg.kernels.rows import TILES, Rows, chunks
from softreg.kernels.threads import in_order

__all__ = ["Sums", "blocks", "fused", "in_float64", "loss", "products", "with_logits"]

BLOCK = 3840  # rows whose logits are held at once, at most
MANY_LOGITS = 1 << 20  # logits held at once by a thread, for many classes


@dataclass(frozen=True, eq=False)
class Sums:
    """Weighted sums over rows: of their losses, of right labels, and of residuals with and without their features."""

    loss: float
    n_correct: float
    grad: NDArray[np.float64]  # (d + 1, K): Σ_i w_i (x_i, 1) (p − onehot)ᵀ

    @property
    def W(self) -> NDArray[np.float64]:
        """Of residuals times features, (K, d)."""
        return np.asarray(self.grad[:-1].T)

    @property
    def b(self) -> NDArray[np.float64]:
        """Of residuals, (K,)."""
        return np.asarray(self.grad[-1])


def fused(
    rows: Rows,
    W: NDArray[np.float64],
    b: NDArray[np.float64],
    n_threads: int | None = None,
    columns: many.Columns | None = None,
) -> Sums:
    """Loss and gradient sums in one pass over X. W and b are folded already.

    What is done to logits before their softmax, or to residuals after it, has no place in the kernel that makes both:
    with an offset, or columns, a chunk goes through the kernels for many classes, and takes about twice the time.
    """
    classes = Classes.of(rows, W, b)
    if not classes.few:
        return Sums(*many.fused(rows, classes, (0, len(rows)), columns, n_threads))
    d, K = W.shape
    apart = rows.offset is not None or columns is not None
    loss = n_correct = 0.0
    W_sums, b_sums = np.zeros((K, d)), np.zeros(K)

    def chunk(span: tuple[int, int]) -> tuple[float, float, NDArray[np.float64], NDArray[np.float64]]:
        if apart:
            *its, sums = many.fused(rows, classes, span, columns, 1)
            return its[0], its[1], sums[:-1].T, sums[-1]
        part, begin, end = rows.readable(*span)
        of_W, of_b = np.zeros((K, d)), np.zeros(K)
        figures = native.fused(
            part.X, part.index, part.y, part.weights, begin, end, classes.W, classes.b, classes.scratch(), of_W, of_b
        )
        return *figures, of_W, of_b

    for its_loss, its_correct, of_W, of_b in in_order(chunk, chunks(len(rows)), n_threads):
        loss, n_correct = loss + its_loss, n_correct + its_correct
        W_sums += of_W
        b_sums += of_b
    grad = np.empty((d + 1, K))
    grad[:-1], grad[-1] = W_sums.T, b_sums
    return Sums(loss, n_correct, grad)


def loss(
    rows: Rows,
    W: NDArray[np.float64],
    b: NDArray[np.float64],
    n_threads: int | None = None,
    columns: many.Columns | None = None,
) -> tuple[float, float]:
    """Sum of losses and of right labels: half a pass."""
    classes = Classes.of(rows, W, b)

    def chunk(span: tuple[int, int]) -> list[tuple[float, float]]:
        figures, at = [], span[0]
        for part, begin, end, z in blocks(rows, classes, *span):
            m = end - begin
            linear = 0.0 if columns is None else many.inner(columns(at, at + m), z[:, :m])
            its_loss, its_correct = native.softmax_xent(z, part.y, part.weights, part.index, begin, end)
            figures.append((its_loss + linear, its_correct))
            at += m
        return figures

    figures = [figure for part in in_order(chunk, chunks(len(rows)), n_threads) for figure in part]
    return sum(figure[0] for figure in figures), sum(figure[1] for figure in figures)


def products(rows: Rows, K: int, columns: many.Columns, n_threads: int | None = None) -> NDArray[np.float64]:
    """Sums (d + 1, K) over all rows of (x_i, 1) c_iᵀ, c_i what `columns` gives for each row: half a pass."""
    if K > FEW_CLASSES:
        return many.products(rows, K, (0, len(rows)), columns, n_threads)
    total = np.zeros((rows.X.shape[1] + 1, K))

    def chunk(span: tuple[int, int]) -> NDArray[np.float64]:
        return many.products(rows, K, span, columns, 1)

    for sums in in_order(chunk, chunks(len(rows)), n_threads):
        total += sums
    return total


def with_logits(
    X: NDArray[Any],
    W: NDArray[np.float64],
    b: NDArray[np.float64],
    use: Callable[[slice, NDArray[Any]], object],
    n_threads: int | None = None,
    offset: NDArray[Any] | None = None,
) -> None:
    """Call `use` with each block of rows and their logits (K, rows), which are written over afterwards.

    Several threads call it, for other rows at a time, so it writes to its own rows only.
    """
    rows = Rows(X, np.empty(0, np.int32), offset=offset)
    classes = Classes.of(rows, W, b)

    def chunk(span: tuple[int, int]) -> None:
        at = span[0]
        for _, begin, end, z in blocks(rows, classes, *span):
            stop = at + end - begin
            use(slice(at, stop), z[:, : end - begin])
            at = stop

    for _ in in_order(chunk, chunks(len(X)), n_threads):
        pass


def in_float64(z: NDArray[Any]) -> NDArray[np.float64]:
    """Logits (K, m) in float64, with room up to the columns that the kernels write."""
    wide = np.zeros((len(z), -(-z.shape[1] // 16) * 16))
    wide[:, : z.shape[1]] = z
    return wide


def blocks(rows: Rows, classes: Classes, begin: int, end: int) -> Iterator[tuple[Rows, int, int, NDArray[Any]]]:
    """Yield blocks of a chunk: rows with labels that the kernels read, their span, and logits (K, ≥ span)."""
    K, T = len(classes.b), classes.W.dtype
    size = BLOCK if classes.few else max(TILES, min(BLOCK, MANY_LOGITS // K))
    size = -(-min(size, end - begin) // TILES) * TILES
    z = np.empty((K, size), T)
    scratch = classes.scratch() if classes.few else None
    packed = np.empty((0 if classes.few else size, classes.W.shape[1]), T)
    for start in range(begin, end, size):
        stop = min(start + size, end)
        part, first, last = rows.readable(start, stop)
        if scratch is not None:
            native.forward(part.X, part.index, first, last, classes.W, classes.b, scratch, z)
        else:
            native.pack(part.X, part.index, first, last, packed)
            native.forward_packed(packed, last - first, classes.W, classes.b, z)
        rows.add_offset(z, start, stop)
        yield part, first, last, z
