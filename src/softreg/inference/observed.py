"""What the rows of a fit were: labels or targets, weights of rows and of classes, offsets; as a Dataset for its model.

A row of counts stands for as many rows with one label each. What an estimator knows of its fit is taken from it: the
weights of its classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.arrays import admitted, as_numpy, as_rows, filled
from softreg.data import Dataset
from softreg.data.targets import offsets
from softreg.errors import ColumnError, InferenceError, LabelError, SettingError, ShapeError
from softreg.model import Model

__all__ = ["fitted", "observed"]

Vector = NDArray[np.float64]


def fitted(model: Any) -> Model:
    """Return the Model itself, or that of an estimator."""
    found = getattr(model, "model_", model)
    if not isinstance(found, Model):
        raise SettingError("model", model, "a Model, or an estimator that has been fitted and holds one as model_")
    return found


def observed(
    model: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, offset: ArrayLike | None
) -> Dataset:
    """Return the rows as a Dataset, in the model's classes and units.

    Raises
    ------
    SettingError
        Where there is no model.
    DataError
        Where the rows, labels, targets, weights or offsets do not suit it.
    InferenceError
        Where the labels were smoothed.
    """
    found = fitted(model)
    _check_names(model, found, getattr(X, "columns", None))
    rows, values = admitted(X), getattr(model, "fill_", None)
    if rows.ndim not in (2, 3) or math.prod(rows.shape[1:]) != found.n_features:
        raise ShapeError("X", rows.shape, f"(rows, {found.n_features}): the model has {found.n_features} features")
    if values is not None:  # an estimator's for what is missing, as it predicts
        rows = filled(as_rows(rows), as_numpy(values))
    w = None if sample_weight is None else np.asarray(sample_weight, dtype=float)
    if w is not None and w.shape != rows.shape[:1]:
        raise ShapeError("sample_weight", w.shape, f"({rows.shape[0]},): one for each row of X")
    fields: dict[str, Any] = {"classes": found.classes, "scale": found.scale, "shift": found.shift}
    if offset is not None:
        fields["offset"] = offsets(offset, found.n_classes)
    told = _whole(np.asarray(y), found)
    if told.ndim == 2 and told.shape[1] > 1:
        data = Dataset.from_targets(rows, told, weights=w, **fields)
        told = told.astype(float)
        by_class = _class_weights(model, told.sum(axis=0) if w is None else w @ told)
        return data if by_class is None else Dataset.from_targets(rows, told * by_class, weights=w, **fields)
    smoothing = found.settings.get("label_smoothing") or 0.0
    if smoothing > 0:
        raise InferenceError(
            f"the model was fitted with label_smoothing={smoothing:g}, to other targets than these labels: fit without "
            "it, or give rows of probabilities for y, which are what it was fitted to"
        )
    data = Dataset.from_labels(rows, told, weights=w, **fields)
    by_class = _class_weights(model, np.bincount(data.y, w, minlength=found.n_classes).astype(float))
    if by_class is None:
        return data
    return replace(data, weights=by_class[data.y] * (1.0 if w is None else w))


def _check_names(model: Any, found: Model, columns: Any) -> None:
    """An estimator's columns have its names, in its order, as where it predicts.

    Names were given to a Model by a caller, who may call a table's columns otherwise; but not each by another's name.
    """
    names = found.feature_names
    if names is None or columns is None or not all(isinstance(name, str) for name in columns):
        return
    unlike = [(got, want) for got, want in zip(columns, names, strict=False) if got != want]
    if unlike and (hasattr(model, "feature_names_in_") or set(columns) == set(names)):
        got, want = unlike[0]
        kept = "feature_names_in_" if hasattr(model, "feature_names_in_") else "feature_names"
        raise ColumnError(
            tuple(columns),
            f"X has column {got!r} where the fit had {want!r}: the feature names should match those of the fit, in "
            f"its order; X[list(model.{kept})] puts them in it",
        )


def _whole(y: NDArray[Any], model: Model) -> NDArray[Any]:
    """Whole numbers that came as floats, as they do of a table with gaps, as the integers that the model has."""
    if y.ndim != 1 or y.dtype.kind != "f" or model.classes.dtype.kind not in "iu":
        return y
    if not np.isfinite(y).all():
        row = int(np.flatnonzero(~np.isfinite(y))[0])
        raise LabelError(f"y holds labels that are missing; the first is {y[row]} in row {row}: leave those rows out")
    whole = y.astype(np.int64)
    return whole if (whole == y).all() else y


def _class_weights(model: Any, shares: Vector) -> Vector | None:
    """What an estimator multiplied the weights of its classes' rows by; None where it did not."""
    given = getattr(model, "class_weight", None)
    if given is None:
        return None
    if isinstance(given, Mapping):
        return np.array([float(given.get(label, 1.0)) for label in np.asarray(model.classes_).tolist()])
    if given != "balanced":
        raise SettingError("class_weight", given, "None, 'balanced' or a dict, as the fit had it")
    return np.asarray(shares.sum() / (len(shares) * np.maximum(shares, np.finfo(float).tiny)))
