"""From the coordinates that are good for computing to the coefficients that a person asks for.

    coefficients = M (T V)ᵀ        covariance = (M ⊗ T) C (M ⊗ T)ᵀ

T (q, p) takes the terms to the caller's units of X, M (classes, K − 1) the classes to contrasts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.errors import SettingError
from softreg.inference.design import Design

__all__ = ["contrast", "report", "units"]

INTERCEPT = "intercept"

Array = NDArray[np.float64]


def contrast(rows: Design, contrasts: str, base: Any) -> tuple[Array, NDArray[Any], Any]:
    """Return M, the classes that it is for, and the class that they are compared with.

    Raises
    ------
    SettingError
        Where there are no such contrasts, or no such class.
    """
    K, classes = rows.data.n_classes, rows.data.classes
    parts = np.zeros((K, K - 1))  # of θ_k, those of the classes other than the design's base
    parts[rows.free, np.arange(K - 1)] = 1
    if contrasts == "sum":
        if base is not None:
            raise SettingError("base", base, 'None with contrasts="sum", which compares with the mean of all classes')
        return parts - parts.mean(axis=0), classes, None
    if contrasts != "base":
        raise SettingError("contrasts", contrasts, "'base' or 'sum'")
    labels = classes.tolist()
    if base is None:
        code = 0
    elif base in labels:
        code = labels.index(base)
    else:
        raise SettingError("base", base, f"one of the classes, {', '.join(map(repr, labels[:20]))}")
    others = np.delete(np.arange(K), code)
    return parts[others] - parts[code], classes[others], labels[code]


def units(rows: Design) -> tuple[Array, tuple[str, ...]]:
    """Return T, and the names of the terms that it leads to."""
    d = rows.data.n_features
    scale, shift = (np.broadcast_to(v, d) for v in (rows.data.scale, rows.data.shift))
    slopes = np.diag(scale / rows.unit)
    if rows.intercept:
        first = np.append(1.0, (shift - rows.centre) / rows.unit)
        return np.vstack([first, np.hstack([np.zeros((d, 1)), slopes])]), (INTERCEPT, *rows.names)
    if shift.any():  # the model has none, but what it sees of X is shifted
        return np.vstack([shift / rows.unit, slopes]), (INTERCEPT, *rows.names)
    return slopes, rows.names


def report(rows: Design, M: Array, V: Array, C: Array) -> tuple[Array, Array, tuple[str, ...]]:
    """Return coefficients (classes, q), their covariance (classes · q, classes · q) and the names of the terms."""
    T, names = units(rows)
    coefficients = M @ (T @ V[:, rows.free]).T
    K1, (q, p) = len(rows.free), T.shape
    for _ in range(2):  # the rows, then, transposed, the columns
        C = (T @ C.reshape(K1, p, -1)).reshape(K1, -1)
        C = (M @ C).reshape(len(M) * q, -1).T
    return coefficients, (C + C.T) / 2, names
