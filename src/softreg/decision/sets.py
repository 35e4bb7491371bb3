"""What sets of classes are worth: how often they hold the true one, and how large they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.errors import DataError, ShapeError
from softreg.metrics.checks import labels, row_weights
from softreg.metrics.intervals import clopper_pearson, effective
from softreg.metrics.plain import plain

__all__ = ["SetReport", "judged"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SetReport:
    """Coverage and size of prediction sets, of all rows and of those of each class; nan where a class has none.

    Intervals are exact (Clopper & Pearson 1934), for the coverage of these sets on rows like these. Where rows have
    weights all but counts is by weight, and intervals are those of as many rows as they are worth.
    """

    n_rows: int
    coverage: float  # share of sets that hold the true class
    low: float
    high: float
    mean_size: float
    empty: float  # share of sets without any class
    single: float  # and with exactly one
    sizes: NDArray[np.int64]  # (K + 1,): how many sets have so many classes
    class_rows: NDArray[np.int64]  # (K,)
    class_coverage: Array
    class_low: Array
    class_high: Array
    class_mean_size: Array

    def as_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, as for JSON; None for nan."""
        return {name: plain(value) for name, value in vars(self).items()}


def judged(sets: ArrayLike, y: ArrayLike, level: float = 0.95, sample_weight: ArrayLike | None = None) -> SetReport:
    """Judge sets by the labels.

    Parameters
    ----------
    sets : (n, K) array of bool
    y : (n,) array of int
    level : float
        Of the intervals.
    sample_weight : (n,) array, optional

    Examples
    --------
    >>> report = judged([[True, False], [True, True]], [1, 1])
    >>> report.coverage, report.mean_size, report.class_coverage
    (0.5, 1.5, array([nan, 0.5]))
    """
    S = np.asarray(sets)
    if S.ndim != 2 or S.dtype != bool:
        raise ShapeError("sets", S.shape, "(rows, classes) of True and False")
    n, K = S.shape
    codes = labels(y, n, K)
    if not n:
        raise DataError("there are no rows: nothing can be said of their sets")
    w = row_weights(sample_weight, n)
    hit, size = S[np.arange(n), codes], S.sum(axis=1)
    rows, weight, hits = np.bincount(codes, minlength=K), np.bincount(codes, w, K), np.bincount(codes, w * hit, K)
    with np.errstate(invalid="ignore"):
        shares, sizes = hits / weight, np.bincount(codes, w * size, K) / weight
    worth = effective(w)
    low, high = clopper_pearson(w @ hit * (worth / w.sum()), worth, level)
    worths = np.array([effective(w[codes == k]) for k in range(K)])
    class_low, class_high = clopper_pearson(hits * (worths / np.where(weight > 0, weight, 1)), worths, level)
    return SetReport(
        n,
        float(np.average(hit, weights=w)),
        float(low),
        float(high),
        float(np.average(size, weights=w)),
        float(np.average(size == 0, weights=w)),
        float(np.average(size == 1, weights=w)),
        np.bincount(size, minlength=K + 1),
        rows,
        shares,
        class_low,
        class_high,
        sizes,
    )
