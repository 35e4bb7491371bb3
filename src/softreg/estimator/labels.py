"""y, in whatever form a caller has it: labels as codes into classes, or rows of class probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import array_api_compat
import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, column_or_1d

from softreg.errors import LabelError, warn

__all__ = ["Labels", "coded", "places", "plain", "read"]

FEW = 0.5  # classes for each row; more make scikit-learn warn
COLUMN = "A column-vector y was passed when a 1d array was expected; y.ravel() makes one of it"


@dataclass(frozen=True)
class Labels:
    """Labels as codes into classes, or `targets` (n, K), rows of class probabilities or counts."""

    classes: NDArray[Any]
    codes: NDArray[np.int64]
    targets: NDArray[np.float64] | None = None


def read(y: Any, classes: ArrayLike | None = None) -> Labels:
    """Return what y says: one-dimensional labels, a column of them (with scikit-learn's warning), or rows of targets.

    The classes are those of `classes`, in its order; else a categorical's categories that occur, in theirs; else the
    sorted labels. Of targets they are 0 … K − 1 by default.

    Raises
    ------
    LabelError
        Where a label is missing or not among the classes.
    ValueError
        Where y is no labels: None, continuous, or of a wrong shape.
    """
    if type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "biuU" and classes is None:
        found, codes = np.unique(y, return_inverse=True)
        if len(found) <= len(y) * FEW:  # scikit-learn's checks of what is plain would take longer than a small fit
            return Labels(found, codes.astype(np.int64))
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    if type(y).__name__ == "Categorical" and hasattr(y, "categories"):  # pandas' own, which is no series yet
        import pandas

        y = pandas.Series(y)
    series = nw.from_native(y, allow_series=True, eager_only=True, pass_through=True)
    order = None
    if isinstance(series, nw.Series):
        missing = np.flatnonzero(series.is_null().to_numpy())
        if len(missing):
            raise LabelError(f"y contains NaN: {len(missing)} labels are missing; the first is in row {missing[0]}")
        if isinstance(series.dtype, (nw.Categorical, nw.Enum)):
            order = series.cat.get_categories().to_numpy()
        y = series.to_numpy()
    elif isinstance(series, nw.DataFrame):
        y = series.to_numpy()
    elif not isinstance(y, np.ndarray) and array_api_compat.is_array_api_obj(y):
        y = np.asarray(y.detach().cpu() if hasattr(y, "detach") else np.from_dlpack(y))
    array = check_array(y, ensure_2d=False, dtype=None, input_name="y", ensure_min_samples=0)
    if array.ndim == 2 and array.shape[1] > 1:
        targets = np.asarray(array, float)
        K = targets.shape[1]
        named = np.arange(K) if classes is None else np.asarray(classes)
        if named.shape != (K,):
            raise LabelError(f"classes are {named.tolist()}; expected {K} of them, one for each column of y")
        return Labels(named, targets.argmax(axis=1), targets)
    if array.ndim == 2:
        warn(COLUMN, DataConversionWarning)
    array = _comparable(column_or_1d(array))
    check_classification_targets(array)
    if classes is not None:
        order = np.asarray(classes)
    if order is None:
        found, codes = np.unique(array, return_inverse=True)
        return Labels(found.astype(array.dtype), codes.astype(np.int64))
    codes = coded(array, order)
    if classes is None:  # a category without rows is none
        present = np.unique(codes)
        order, codes = order[present], np.searchsorted(present, codes)
    return Labels(order, codes)


def coded(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """Return the labels' places among the classes.

    Raises
    ------
    LabelError
        Where a label is not among them.
    """
    codes = places(labels, classes)
    unknown = np.flatnonzero(codes < 0)
    if len(unknown):
        raise LabelError(
            f"{len(unknown)} labels are not among the classes {classes.tolist()}; the first is "
            f"{labels.tolist()[unknown[0]]!r} in row {unknown[0]}"
        )
    return codes


def places(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """Return the labels' places among the classes, -1 of those that are not among them."""
    place = {label: code for code, label in enumerate(classes.tolist())}
    return np.array([place.get(label, -1) for label in labels.tolist()], np.int64)


def plain(classes: NDArray[Any]) -> NDArray[Any]:
    """Return classes in a type that a model file holds: text, integers or booleans."""
    if classes.dtype.kind == "O":
        return classes.astype(str)
    return classes.astype(np.int64) if classes.dtype.kind == "f" else classes


def _comparable(labels: NDArray[Any]) -> NDArray[Any]:
    """Text that came as objects as text; whatever else came so must be of one kind.

    Raises
    ------
    LabelError
        Where labels are of several kinds, which have no order.
    """
    if labels.dtype.kind != "O":
        return labels
    kinds = {type(label).__name__ for label in labels.tolist()}
    if len(kinds) > 1:
        raise LabelError(f"y has labels of several types, {', '.join(sorted(kinds))}; expected one")
    return labels
