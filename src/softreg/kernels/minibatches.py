"""Minibatch steps through rows of X without leaving the kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.kernels import native
from softreg.kernels.classes import Classes
from softreg.kernels.rows import Rows

__all__ = ["sgd"]

UNINTERRUPTED_ROWS = 1 << 16  # Ctrl-C is heard between


def sgd(
    rows: Rows,
    W: NDArray[np.float64],
    b: NDArray[np.float64],
    scale: float | NDArray[np.float64],
    shift: float | NDArray[np.float64],
    *,
    batch: int,
    rate: float,
    mean_weight: float,
    l2: float,
    momentum: float = 0.0,
    velocity: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    intercept: bool = True,
) -> tuple[float, float, float, float] | None:
    """Take minibatch steps through the rows in their order without leaving the kernel.

    W and b are stepped in place, and so is the velocity, of their shapes, where there is one. Without an intercept b
    stays as it is.
    Returns the sums of losses, of right labels, of weights, and of weight times penalty; None where this kernel is not
    made for the data: many classes, long batches, an offset, or a type of X that must be converted.
    """
    classes = Classes.of(rows, W, b)
    if (
        not classes.few
        or rows.offset is not None
        or not 0 < batch <= native.longest_batch()
        or not rows.in_place
        or len(rows) == 0
    ):
        return None
    part, _, _ = rows.readable(0, len(rows))
    index = np.arange(len(rows)) if part.index is None else part.index
    d = len(W)
    stepped, b_stepped, b_sums = np.ascontiguousarray(W.T), b.copy(), np.empty(len(b))
    rolling: tuple[Any, Any] = (None, None) if velocity is None else (velocity[0].T.copy(), velocity[1].copy())
    every_scale = np.ascontiguousarray(np.broadcast_to(scale, d), dtype=float)
    every_shift = np.ascontiguousarray(np.broadcast_to(shift, d), dtype=float)
    scratch = classes.scratch()
    total = np.zeros(4)
    stride = batch * max(1, UNINTERRUPTED_ROWS // batch)
    for start in range(0, len(index), stride):
        total += native.sgd(
            part.X,
            index[start : start + stride],
            part.y,
            part.weights,
            batch,
            rate,
            mean_weight,
            l2,
            every_scale,
            every_shift,
            scratch,
            classes.W,
            classes.b,
            stepped,
            b_stepped,
            b_sums,
            momentum,
            *rolling,
            intercept,
        )
    W[...], b[...] = stepped.T, b_stepped
    if velocity is not None and rolling[0] is not None:
        velocity[0][...], velocity[1][...] = rolling[0].T, rolling[1]
    loss, n_correct, weight, penalty = total.tolist()
    return loss, n_correct, weight, penalty
