"""Passes over X that make something of each row's logits, (scale · X + shift) W + b + offset, a block at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.arrays import admitted, as_rows, kind
from softreg.data.targets import floats
from softreg.decision import Scaling
from softreg.errors import DataError, ShapeError
from softreg.kernels import fold, in_float64, native, one_blas_thread, with_logits

__all__ = ["Logits", "Offset", "rows_of"]

FEW_ROWS = 64  # for which pinning BLAS would take longer than the products
Array = NDArray[np.float64]
Offset = ArrayLike | None  # (n, K), added to the logits
Transform = Callable[[Array, int], None]  # of so many columns of logits, in place


def rows_of(X: Any, n_features: int) -> Any:
    """Return X as rows of numbers, or raise where it has other columns than the model."""
    X = as_rows(admitted(X))
    if X.ndim != 2 or X.shape[1] != n_features:
        raise ShapeError("X", X.shape, f"(rows, {n_features}): the model has {n_features} features")
    if kind(X) not in "buif":
        raise DataError(f"X has dtype {X.dtype}; expected numbers")
    return X


@dataclass(frozen=True, eq=False)
class Logits:
    """What gives rows their logits. With a scaling they are calibrated: it is folded into W and b."""

    W: Array
    b: Array
    scale: float | Array
    shift: float | Array
    scaling: Scaling | None = None

    def folded(self) -> tuple[Array, Array]:
        """W and b that apply to X as it is."""
        W, b = self.W, self.b
        if self.scaling is not None:
            W, b = _calibrated(W, self.scaling), self.scaling.logits(b)
        return fold(W, b, self.scale, self.shift)

    def scaled(self, offset: NDArray[Any] | None) -> NDArray[Any] | None:
        """Return what becomes of an offset."""
        return offset if offset is None or self.scaling is None else _calibrated(offset, self.scaling)

    def all_classes(self, X: Any, offset: Offset, transform: Transform) -> Array:
        """What the transform makes of every logit, (n, K)."""
        X = rows_of(X, len(self.W))
        result = np.empty((X.shape[0], len(self.b)))

        def write(rows: slice, z: NDArray[Any]) -> None:
            z = in_float64(z)
            m = rows.stop - rows.start
            transform(z, m)
            result[rows] = z[:, :m].T

        self.each(X, offset, write)
        return result

    def largest(
        self, X: Any, k: int, offset: Offset, first: Transform | None = None
    ) -> tuple[NDArray[np.int64], Array]:
        """Codes of the k largest logits of each row, and themselves, or what `first` makes of them."""
        X = rows_of(X, len(self.W))
        codes, values = np.empty((X.shape[0], k), np.int64), np.empty((X.shape[0], k))

        def take(rows: slice, z: NDArray[Any]) -> None:
            if first is not None:
                z = in_float64(z)
                first(z, rows.stop - rows.start)
            part = np.empty((rows.stop - rows.start, k), z.dtype)
            native.largest(z, codes[rows], part)
            values[rows] = part

        self.each(X, offset, take)
        return codes, values

    def each(self, X: Any, offset: Offset, use: Callable[[slice, NDArray[Any]], object]) -> None:
        """Have logits of all rows used, a block at a time, (K, m or more)."""
        if offset is not None:
            offset = self.scaled(floats(offset, "offset", (X.shape[0], len(self.b)), "a logit for each row and class"))

        def checked(rows: slice, z: NDArray[Any]) -> None:
            if not np.isfinite(z).all():
                row = rows.start + int(np.flatnonzero(~np.isfinite(z).all(axis=0))[0])
                raise DataError(
                    f"row {row} of X has no finite logits: it, or the model, has nan, infinite or far too large values"
                )
            use(rows, z)

        with one_blas_thread() if X.shape[0] > FEW_ROWS else contextlib.nullcontext():
            with_logits(X, *self.folded(), checked, offset=offset)


def _calibrated(z: Array, scaling: Scaling) -> Array:
    """What calibration makes of (…, K) parts of the logits, but for its bias: it is linear in them."""
    return scaling.logits(z) - scaling.bias
