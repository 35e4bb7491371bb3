"""Rows of class probabilities in the place of labels, checked; of counts turned into them; and of offsets.

Probabilities are seldom exact: those of float32 sum to 1 but for some 1e-7, those that were printed with six digits but
for some 1e-6. A row whose sum is this near to 1 is one of probabilities, and stands for one row, no more and no less:
to within 1e-5, or 1e-2 in types of two bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.arrays import as_numpy
from softreg.errors import DataError, LabelError, ShapeError

__all__ = ["checked", "divided", "floats", "near_one", "offsets"]

TOLERANCE, COARSE = 1e-5, 1e-2  # of a sum; that of types of two bytes
COUNTS = "Dataset.from_targets takes counts and what else is to be divided by its sum"


def floats(values: ArrayLike, name: str, shape: tuple[int, int], why: str) -> NDArray[Any]:
    """Return float32 and float64 as they are, other numbers as float64."""
    array = np.asarray(values)
    if array.shape != shape:
        raise ShapeError(name, array.shape, f"{shape}: {why}")
    if array.dtype.kind not in "buif" and array.dtype.name != "bfloat16":
        raise DataError(f"{name} has dtype {array.dtype}; expected numbers")
    return array if array.dtype.name in ("float32", "float64") else array.astype(float)


def offsets(offset: ArrayLike, K: int) -> NDArray[np.float64]:
    """Return offsets of each row and class; of two classes one column is that of the second."""
    try:
        array = np.asarray(as_numpy(offset), float)
    except (TypeError, ValueError):
        raise DataError(f"offset is {offset!r:.80}; expected an array of numbers, (n, {K})") from None
    if K == 2 and (array.ndim == 1 or array.shape[1:] == (1,)):
        return np.column_stack([np.zeros(len(array)), array.ravel()])
    return array


def divided(given: NDArray[Any], shape: tuple[int, int]) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """Return rows of probabilities or counts, divided by their sums, and those sums: 1 where they are but for rounding.

    None stands for sums that are all 1.
    """
    table = floats(given, "targets", shape, "a row for each of X, a column for each class")
    sums = _row_sums(table)
    as_given = near_one(sums, given.dtype)
    if not as_given.all() or table.dtype != given.dtype:
        table = table / sums[:, None].astype(table.dtype)
    return table, None if as_given.all() else np.where(as_given, 1.0, sums)


def _row_sums(Y: NDArray[Any]) -> NDArray[np.float64]:
    """Sums of rows that a distribution can be made of: non-negative, finite, not all 0.

    Raises
    ------
    LabelError
        With the first row that is not so.
    """
    sums: NDArray[np.float64] = Y.sum(axis=1, dtype=float)
    bad = np.flatnonzero(~(np.isfinite(sums) & (Y.min(axis=1, initial=0) >= 0)))  # a nan or inf is in the sum too
    if len(bad):
        raise LabelError(
            f"{len(bad)} rows of targets hold negative, nan or infinite values; the first is row {bad[0]}: "
            f"{_shown(Y[bad[0]])}"
        )
    empty = np.flatnonzero(sums == 0)
    if len(empty):
        raise LabelError(
            f"{len(empty)} rows of targets are all 0, and say nothing of a class; the first is row {empty[0]}: "
            f"leave those rows out"
        )
    return sums


def near_one(sums: NDArray[np.float64], given: np.dtype[Any]) -> NDArray[np.bool_]:
    """Which sums are 1 but for rounding, in the type that the rows were given in."""
    rough = given.itemsize == 2 and given.kind not in "iu"
    return np.abs(sums - 1) <= (COARSE if rough else TOLERANCE)


def checked(targets: ArrayLike, y: NDArray[Any], K: int) -> NDArray[Any]:
    """Return targets (n, K) that are rows of probabilities, whose largest is that of y; raise where they are not."""
    given = np.asarray(targets)
    Y = floats(given, "targets", (len(y), K), "a probability for each row and class")
    sums = _row_sums(Y)
    off = np.flatnonzero(~near_one(sums, given.dtype))
    if len(off):
        raise LabelError(
            f"{len(off)} rows of targets do not sum to 1; the first is row {off[0]}, to {sums[off[0]]:.6g}: {COUNTS}"
        )
    if Y.dtype != given.dtype:
        Y = Y / sums[:, None]  # once and for all: as float64 they would not be near enough
    largest = Y.argmax(axis=1) if len(Y) else y
    other = np.flatnonzero(largest != y)
    if len(other):
        i = other[0]
        raise LabelError(
            f"{len(other)} labels y are not that of their row's largest target; the first is {y[i]} in row {i}, where "
            f"the largest is that of {largest[i]}: Dataset.from_targets makes y"
        )
    return Y


def _shown(row: NDArray[Any]) -> str:
    more = ", …" if len(row) > 4 else ""
    return f"[{', '.join(f'{float(v):.6g}' for v in row[:4])}{more}]"
