"""From an estimator's parameters and what a caller gives it to Settings and a Dataset."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils.validation import _check_sample_weight, check_consistent_length

from softreg.arrays import dense, fill, filled
from softreg.data import Dataset
from softreg.data.targets import offsets
from softreg.data.units import moments
from softreg.errors import DataError, LabelError, SettingError
from softreg.estimator import checks, labels, names, rows
from softreg.model import AUTO, Model, Settings
from softreg.solvers import SGD

__all__ = [
    "complete",
    "dataset",
    "features",
    "of_fold",
    "parts",
    "rate",
    "seed",
    "settings",
    "start",
    "with_rate",
]

BLOCK_ROWS = 4096
MAX_CLASSES = 10  # that the learning rate grows with


def settings(estimator: Any) -> Settings:
    """Return what the parameters ask for.

    Raises
    ------
    SettingError
        Where one of them has no meaning.
    """
    checks.check(estimator)
    C, l1_ratio = names.penalty(estimator)
    solver = names.solver(estimator.solver, l1_ratio if math.inf > C else 0.0)
    if isinstance(estimator.solver, str) and isinstance(solver, SGD):
        rate = 0.1 if estimator.learning_rate == "auto" else estimator.learning_rate
        solver = SGD(rate, estimator.batch_size, momentum=estimator.momentum, seed=seed(estimator))
    return Settings(
        solver=AUTO if solver is None else solver,
        max_steps=int(estimator.max_iter),
        C=C,
        l1_ratio=l1_ratio,
        tol=estimator.tol,
        fit_intercept=bool(estimator.fit_intercept),
        label_smoothing=estimator.label_smoothing,
        init_std=0.0,
    )


def seed(estimator: Any) -> int:
    """Return the seed of what is random."""
    state = estimator.random_state
    if state is None:
        return 0
    if isinstance(state, (int, np.integer)):
        return int(state)
    return int(check_random_state(state).randint(np.iinfo(np.int32).max))


def features(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Return X as rows that the engine reads; what is missing is filled in where that is asked for."""
    return complete(estimator, rows.read(estimator, X, reset=reset), reset=reset)


def complete(estimator: Any, array: Any, *, reset: bool) -> Any:
    """Return rows with what is missing filled in, where that is asked for."""
    if estimator.missing == "error":
        if reset and hasattr(estimator, "fill_"):
            del estimator.fill_
        return array
    if reset:
        mean = estimator.missing == "mean"
        estimator.fill_ = rows.means(array) if mean else np.zeros(array.shape[1])
    return filled(array, rows.host(estimator.fill_))


def of_fold(estimator: Any, data: Dataset, given: Any, training: NDArray[np.int64]) -> Dataset:
    """Return the data in the units, and with the means for what is missing, that these rows have by themselves.

    Where something is missing, `given` is X as it came, and data.X a copy whose gaps are filled anew; else None.
    """
    within = np.zeros(data.n_rows)
    within[training] = 1.0
    if given is not None:
        fill(data.X, given, rows.means(given, within > 0))
    w = within if data.weights is None else within * data.weights
    if not estimator.standardize or not w.any():
        return data  # without any weight, which the fit refuses
    scale, shift = _units(estimator, data.X, w)
    return replace(data, scale=scale, shift=shift)


def dataset(
    estimator: Any,
    X: Any,
    target: labels.Labels,
    sample_weight: ArrayLike | None,
    offset: ArrayLike | None = None,
    *,
    fixed: Any = None,
    in_parts: bool = False,
) -> Dataset:
    """Return the Dataset of rows, labels and weights; `fixed` is a scale and a shift that are known already.

    The weight of a class multiplies what a row gives to it.

    Raises
    ------
    DataError
        Where they do not fit together: the message says where.
    """
    check_consistent_length(X, target.codes)
    w = None
    if sample_weight is not None:
        w = _check_sample_weight(
            rows.host(sample_weight), np.empty((X.shape[0], 1)), dtype=np.float64, ensure_non_negative=True
        )
        if not w.any():
            raise DataError("all sample weights are zero: there is nothing to fit")
    K = len(target.classes)
    if K < 2:
        remedy = "; classes= in the first call of partial_fit says all there will be" if in_parts else ""
        raise LabelError(
            "softmax regression needs samples of at least 2 classes in the data, but the data contains only one "
            f"class: {target.classes.tolist()[0] if K else None!r}{remedy}"
        )
    Y = target.targets
    if estimator.class_weight is not None:
        of_class = _class_weights(estimator.class_weight, target, w)
        if Y is None:
            w = of_class[target.codes] * (1.0 if w is None else w)
        else:
            Y = Y * of_class
    made = labels.plain(target.classes)
    try:
        scale, shift = _units(estimator, X, w) if fixed is None else fixed
        fields = {"scale": scale, "shift": shift, "feature_names": _names(estimator), "weights": w}
        if offset is not None:
            fields["offset"] = offsets(offset, len(made))
        return Dataset(X, target.codes, made, **fields) if Y is None else Dataset.from_targets(X, Y, made, **fields)
    except DataError:
        if not rows.finite(X):
            raise rows.explain(X, getattr(estimator, "feature_names_in_", None)) from None
        raise


def _class_weights(given: Any, target: labels.Labels, w: NDArray[np.float64] | None) -> NDArray[np.float64]:
    found: NDArray[np.float64]
    if target.targets is None:
        y = target.classes[target.codes]
        found = compute_class_weight(given, classes=target.classes, y=y, sample_weight=w)
    elif given == "balanced":
        shares = target.targets.sum(axis=0) if w is None else w @ target.targets
        found = shares.sum() / (len(shares) * np.maximum(shares, np.finfo(float).tiny))
    else:
        found = compute_class_weight(given, classes=target.classes, y=target.classes)
    return found


def _names(estimator: Any) -> tuple[str, ...] | None:
    found = getattr(estimator, "feature_names_in_", None)
    return None if found is None else tuple(map(str, found))


def _units(estimator: Any, X: Any, w: NDArray[np.float64] | None) -> tuple[Any, Any]:
    """Scale and shift that the parameters ask for."""
    for name in ("scale", "shift"):
        try:
            np.asarray(getattr(estimator, name), float)
        except (TypeError, ValueError):
            raise SettingError(name, getattr(estimator, name), "a number, or one for each column of X") from None
    scale, shift = estimator.scale, estimator.shift
    if not estimator.standardize:
        return scale, shift
    mean, deviation = moments(X, w)
    scale, shift = np.broadcast_to(scale, len(mean)), np.broadcast_to(shift, len(mean))
    deviation = np.where(deviation * np.abs(scale) > 0, deviation * np.abs(scale), 1.0)
    return scale / deviation, -(scale * mean) / deviation + 0.0 * shift  # which cancels, but must be a number


def start(estimator: Any, data: Dataset) -> Model | None:
    """Return where a warm start begins: the fitted model, with the data's classes in their order; None where none is.

    A class that it does not know has 0 for its weights.
    """
    if not hasattr(estimator, "coef_") or estimator.coef_.shape[1] != data.n_features:
        return None
    W, b = estimator._columns()
    place = labels.places(data.classes, labels.plain(estimator.classes_))
    W, b = np.column_stack([W, np.zeros(len(W))]), np.append(b, 0.0)
    return Model(W[:, place], b[place], data.classes)


def with_rate(estimator: Any, asked: Settings, data: Dataset) -> Settings:
    """Return settings for SGD with the learning rate that "auto" stands for, and no batch longer than the data."""
    solver = asked.solver
    if not isinstance(solver, SGD) or not isinstance(estimator.solver, str):
        return asked
    solver = replace(solver, batch_size=min(solver.batch_size, data.n_rows))
    return replace(
        asked, solver=solver if estimator.learning_rate != "auto" else replace(solver, learning_rate=rate(data))
    )


def rate(data: Dataset) -> float:
    """Return the inverse of the largest curvature of the loss on the first block of rows.

    That is the largest eigenvalue of the mean of x̃ x̃ᵀ, x̃ = (scale · x + shift, 1), found by power iteration, times
    that of diag(p) − p pᵀ for equal p, 1/K; of more than 10 classes 1/10, as they do not stay equal.
    """
    block = dense(data.X, slice(BLOCK_ROWS)).astype(float)
    x = np.ones((len(block), data.n_features + 1))
    x[:, :-1] = data.scale * block + data.shift
    v = np.random.default_rng(0).standard_normal(x.shape[1])
    largest = 0.0
    for _ in range(50):
        v = x.T @ (x @ v) / len(x)
        largest = float(np.linalg.norm(v))
        if not largest > 0:
            return 0.1
        v /= largest
    return min(data.n_classes, MAX_CLASSES) / largest


def parts(estimator: Any, data: Dataset) -> tuple[NDArray[np.int64] | None, NDArray[np.int64] | None]:
    """Return the rows that train and those that judge, where early stopping sets some aside; a share of each class.

    Raises
    ------
    SettingError
        Where the share leaves nothing to one of them.
    """
    if not estimator.early_stopping:
        return None, None
    share = estimator.validation_fraction
    rng = np.random.default_rng((seed(estimator), 1))
    aside = []
    for k in range(data.n_classes):
        members = rng.permutation(np.flatnonzero(data.y == k))
        aside.append(members[: round(share * len(members))])
    judging = np.sort(np.concatenate(aside))
    training = np.setdiff1d(np.arange(data.n_rows), judging)
    if not len(judging) or not len(training):
        raise SettingError(
            "validation_fraction", share, f"more of the {data.n_rows} rows to judge by, and some that train"
        )
    return training, judging
