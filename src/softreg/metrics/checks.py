"""What judgements and decisions are made from: rows of probabilities, labels, weights, checked once at the door."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.data.targets import near_one
from softreg.errors import DataError, LabelError, SettingError, ShapeError

__all__ = ["labels", "number", "positive", "probabilities", "row_weights", "share", "whole"]

Array = NDArray[np.float64]


def probabilities(probs: ArrayLike, name: str = "probs") -> Array:
    """Return rows of probabilities as float64, (n, K).

    Rows must sum to 1 but for the rounding of their type: to within 1e-5, or 1e-2 in types of two bytes. What float32
    and shorter types are off is divided out; float64 is left as it is.

    Raises
    ------
    ShapeError
        Where it is no table with at least two columns.
    DataError
        Where an entry is negative, nan or infinite, or a row does not sum to 1: the message names the first.

    Examples
    --------
    >>> probabilities([[0.25, 0.75]])
    array([[0.25, 0.75]])
    >>> probabilities([[0.5, 0.75]])
    Traceback (most recent call last):
    softreg.errors.DataError: 1 row of probs does not sum to 1; the first is row 0, to 1.25: softmax takes logits
    """
    given = np.asarray(probs)
    if given.ndim != 2 or given.shape[1] < 2:
        raise ShapeError(name, given.shape, "(rows, classes), a column for each of at least two classes")
    if given.dtype.kind not in "biuf" and given.dtype.name != "bfloat16":
        raise DataError(f"{name} has dtype {given.dtype}; expected numbers")
    P = given.astype(np.float64, copy=False)
    sums = P.sum(axis=1)
    bad = np.flatnonzero(~(np.isfinite(sums) & (P.min(axis=1, initial=0.0) >= 0)))  # a nan is in the sum too
    if len(bad):
        raise DataError(
            f"{_count(bad)} of {name} {_have(bad)} negative, nan or infinite entries; the first is row {bad[0]}: "
            f"expected probabilities"
        )
    off = np.flatnonzero(~near_one(sums, given.dtype))
    if len(off):
        raise DataError(
            f"{_count(off)} of {name} {'does' if len(off) == 1 else 'do'} not sum to 1; the first is row {off[0]}, to "
            f"{sums[off[0]]:.6g}: softmax takes logits"
        )
    return P if given.dtype == np.float64 else P / sums[:, None]


def labels(y: ArrayLike, n: int, K: int, name: str = "y") -> NDArray[np.intp]:
    """Return labels as codes into the K columns, (n,).

    Raises
    ------
    ShapeError, LabelError
        Where they are not n, not integers, or outside 0 … K − 1.

    Examples
    --------
    >>> labels([1, 0], 2, 2)
    array([1, 0])
    """
    codes = np.asarray(y)
    if codes.shape != (n,):
        raise ShapeError(name, codes.shape, f"({n},): a label for each row of probabilities")
    if codes.dtype.kind not in "iu" and n:
        raise LabelError(
            f"{name} has dtype {codes.dtype}; expected integer codes, the columns of the probabilities: a Dataset has "
            "them as `y`"
        )
    wrong = np.flatnonzero((codes < 0) | (codes >= K))
    if len(wrong):
        raise LabelError(
            f"{len(wrong)} labels are outside the {K} classes, 0 to {K - 1}; the first is {codes[wrong[0]]} in row "
            f"{wrong[0]}"
        )
    return codes.astype(np.intp)


def row_weights(weights: ArrayLike | None, n: int) -> Array:
    """Return a weight for each row, (n,): 1 each where there are none.

    Raises
    ------
    ShapeError, DataError
        Where they are not n, negative, not finite, or all 0.
    """
    w = np.ones(n) if weights is None else np.asarray(weights, float)
    if w.shape != (n,):
        raise ShapeError("sample_weight", w.shape, f"({n},): one for each row of probabilities")
    bad = np.flatnonzero(~(np.isfinite(w) & (w >= 0)))
    if len(bad):
        raise DataError(f"{len(bad)} weights are negative, nan or infinite; the first in row {bad[0]}")
    if not w.sum() > 0:
        raise DataError("there are no rows of any weight: nothing can be said of them")
    return w


def share(name: str, value: Any) -> float:
    """Return a number strictly between 0 and 1 as a float; raise SettingError for any other."""
    found = number(value)
    if not 0 < found < 1:  # nor nan
        raise SettingError(name, value, "a number between 0 and 1")
    return found


def positive(name: str, value: Any) -> float:
    """Return a finite number above 0 as a float; raise SettingError for any other."""
    found = number(value)
    if not 0 < found < math.inf:
        raise SettingError(name, value, "a finite number above 0")
    return found


def whole(name: str, value: Any, least: int = 1) -> int:
    """Return a whole number, at least `least`, as an int; raise SettingError for any other."""
    number = value if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else None
    if number is None or number < least:
        raise SettingError(name, value, f"a whole number from {least}")
    return int(number)


def number(value: Any) -> float:
    """Return a number as a float; nan for what is none, True and False among that."""
    return float(value) if isinstance(value, numbers.Real) and not isinstance(value, bool) else math.nan


def _count(rows: NDArray[Any]) -> str:
    return "1 row" if len(rows) == 1 else f"{len(rows)} rows"


def _have(rows: NDArray[Any]) -> str:
    return "has" if len(rows) == 1 else "have"
