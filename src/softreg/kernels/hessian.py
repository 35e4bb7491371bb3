"""Second-order passes over X: probabilities, and products with the Hessian of the loss.

    t_i = w_i (diag(p_i) − p_i p_iᵀ) u_i,   u_i = V x_i + v        H (V, v) = (Σ_i t_i x_iᵀ, Σ_i t_i)

    X (n, d) any numeric type   p (K, n)   V (d, m·K), v (m·K,): m directions, one after the other

Scale and shift are folded into the small matrices, as in `passes`. A product is one pass, where the probabilities are
kept, and half a pass more where they are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.kernels import many, native
from softreg.kernels.classes import Classes
from softreg.kernels.passes import blocks
from softreg.kernels.rows import Rows, chunks
from softreg.kernels.threads import in_order

__all__ = ["curvature", "logits", "probabilities", "softmax_columns"]

SPAN_ROWS = 8192  # whose probabilities are held at once where not all are kept

Vector = NDArray[np.float64]


def probabilities(rows: Rows, W: Vector, b: Vector, n_threads: int | None = None) -> NDArray[Any]:
    """Probabilities (K, n) in the arithmetic type: half a pass. W and b are folded already."""
    return _columns(rows, W, b, n_threads, softmax=True)


def logits(rows: Rows, W: Vector, b: Vector, n_threads: int | None = None) -> NDArray[Any]:
    """Logits (K, n) in the arithmetic type: half a pass. W and b are folded already."""
    return _columns(rows, W, b, n_threads, softmax=False)


def _columns(rows: Rows, W: Vector, b: Vector, n_threads: int | None, *, softmax: bool) -> NDArray[Any]:
    classes = Classes.of(rows, W, b)
    columns = np.empty((len(b), len(rows)), classes.W.dtype)

    def chunk(span: tuple[int, int]) -> None:
        _write(rows, classes, *span, columns[:, slice(*span)], softmax=softmax)

    for _ in in_order(chunk, chunks(len(rows)), n_threads):
        pass
    return columns


def _write(rows: Rows, classes: Classes, begin: int, end: int, columns: NDArray[Any], *, softmax: bool) -> None:
    """Write logits of rows begin to end, or their probabilities, into the columns (K, end − begin)."""
    at = 0
    for _, start, stop, z in blocks(rows, classes, begin, end):
        m = stop - start
        if softmax:
            native.softmax(z, m)
        columns[:, at : at + m] = z[:, :m]
        at += m


def softmax_columns(z: NDArray[Any], delta: Vector) -> NDArray[Any]:
    """Return softmax(z_i + delta) for each column z_i of logits (K, n)."""
    K, n = z.shape
    probs = np.empty((K, -(-n // 16) * 16), z.dtype)
    np.add(z, delta.astype(z.dtype)[:, None], out=probs[:, :n])
    native.softmax(probs, n)
    return probs[:, :n]


def curvature(
    rows: Rows,
    W: Vector,
    b: Vector,
    V: Vector,
    v: Vector,
    *,
    probs: NDArray[Any] | None = None,
    n_threads: int | None = None,
) -> tuple[Vector, Vector]:
    """Sums (d, m·K) and (m·K,) of the Hessian at W, b times the directions V, v; all folded already.

    `probs` are the probabilities at W, b where they are kept.
    """
    point, directions = Classes.of(rows, W, b), Classes.of(rows, V, v)
    if not directions.few:
        all_sums = many.curvature(rows, point, directions, probs, n_threads)
        return all_sums[:-1], all_sums[-1]

    def chunk(span: tuple[int, int]) -> tuple[Vector, Vector]:
        sums, v_sums = np.zeros((len(v), directions.d)), np.zeros(len(v))
        for begin, end, p in _spans(rows, point, probs, *span):
            part, first, last = rows.readable(begin, end)
            native.curvature(
                part.X,
                part.index,
                part.weights,
                first,
                last,
                p,
                directions.W,
                directions.b,
                directions.scratch(len(b)),
                sums,
                v_sums,
            )
        return sums, v_sums

    total, v_total = np.zeros((len(v), directions.d)), np.zeros(len(v))
    for sums, v_sums in in_order(chunk, chunks(len(rows)), n_threads):
        total += sums
        v_total += v_sums
    return total.T, v_total


def _spans(
    rows: Rows, point: Classes, probs: NDArray[Any] | None, begin: int, end: int
) -> Iterator[tuple[int, int, NDArray[Any]]]:
    if probs is not None:
        yield begin, end, probs[:, begin:end]
        return
    for start in range(begin, end, SPAN_ROWS):
        stop = min(start + SPAN_ROWS, end)
        p = np.empty((len(point.b), stop - start), point.W.dtype)
        _write(rows, point, start, stop, p, softmax=True)
        yield start, stop, p
