"""partial_fit: minibatch steps over rows as they come, from where the estimator is.

The penalty's λ = 1/(C Σw) is that of all the weight seen so far; the learning rate is settled by the first rows; the
order of the n-th call's batches is that of (seed, n).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.data import Dataset
from softreg.errors import FitError, LabelError, SettingError, warn
from softreg.estimator import checks, labels, names, problem, rows
from softreg.kernels import one_blas_thread
from softreg.model import Model, Settings
from softreg.model.present import Present
from softreg.objective import SoftmaxObjective
from softreg.solvers import SGD

__all__ = ["forget", "step"]


def forget(estimator: Any) -> None:
    """Let partial_fit go on from a whole fit."""
    for name in ("velocity_", "learning_rate_", "t_", "fixed_classes_"):
        estimator.__dict__.pop(name, None)


def step(estimator: Any, X: Any, y: Any, classes: ArrayLike | None, sample_weight: ArrayLike | None) -> None:
    """Take one epoch over these rows.

    Raises
    ------
    SettingError
        Where the penalty is not smooth, or another parameter has no meaning here.
    DataError
        Where X or y cannot be used, or a class is not among those that `classes` fixed.
    FitError
        Where the steps run into infinities; the estimator stays as it was.
    """
    checks.check(estimator)
    C, l1_ratio = names.penalty(estimator)
    if l1_ratio > 0:
        raise SettingError("l1_ratio", l1_ratio, "0 with partial_fit, whose steps need a smooth penalty")
    first = not hasattr(estimator, "coef_")
    array = problem.features(estimator, X, reset=first)
    target = _target(estimator, y, classes, first)
    data = problem.dataset(
        estimator,
        array,
        target,
        sample_weight,
        fixed=None if first else (rows.host(estimator.scale_), rows.host(estimator.shift_)),
        in_parts=True,
    )
    W, b, velocity = _parameters(estimator, data, target.classes, first)
    seen = data.weight + (0.0 if first else estimator.provenance_.get("weight", 0.0))
    calls = estimator.__dict__.get("t_", 0)
    rate = getattr(estimator, "learning_rate_", None) or (
        problem.rate(data) if estimator.learning_rate == "auto" else float(estimator.learning_rate)
    )
    solver = SGD(rate, estimator.batch_size, momentum=estimator.momentum, seed=problem.seed(estimator))
    settings = Settings(
        solver,
        max_steps=1,
        C=C,
        label_smoothing=estimator.label_smoothing,
        fit_intercept=bool(estimator.fit_intercept),
    )
    objective = SoftmaxObjective(
        data,
        (2 if data.n_classes == 2 else 1) / (C * seen),
        n_threads=estimator.n_threads,
        intercept=settings.fit_intercept,
        smoothing=settings.label_smoothing,
    )
    theta = Present.all_of(data).start(W, b)
    order = np.random.default_rng((solver.seed, calls + 1)).permutation(data.n_rows)
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        swept = objective.sweep(
            theta,
            order,
            min(solver.batch_size, data.n_rows),
            rate,
            solver.momentum,
            velocity if solver.momentum else None,
        )
    if not np.isfinite(swept.theta).all():
        raise FitError(
            f"the steps ran into infinities at learning_rate={rate:g}; the estimator is as it was before: "
            "try a lower one, or standardize=True"
        )
    _store(estimator, X, array, data, target.classes, settings, swept, calls, rate)


def _target(estimator: Any, y: Any, classes: ArrayLike | None, first: bool) -> labels.Labels:
    """Return what y says, in the classes of this call: those of before and, where they are not fixed, new ones."""
    if classes is not None:
        given = np.asarray(classes)
        if given.ndim != 1 or len(np.unique(given)) != len(given):
            raise LabelError(f"classes are {given.tolist()}; expected a list of different ones")
        if not first and not np.array_equal(given, estimator.classes_):
            raise LabelError(
                f"classes are {given.tolist()}; expected those of the first call, {estimator.classes_.tolist()}"
            )
    if first:
        estimator.fixed_classes_ = classes is not None
        return labels.read(y, None if classes is None else np.unique(given))
    known: NDArray[Any] = estimator.classes_
    if estimator.__dict__.get("fixed_classes_", False) or np.ndim(rows.host(y)) == 2:
        return labels.read(y, known)
    found = labels.read(y)
    new = np.setdiff1d(found.classes, known)
    if len(new) and not estimator.__dict__.get("grown_", False):
        warn(
            f"y has labels that are new to the model, {new.tolist()}, which grows by them; classes= in the first call "
            "of partial_fit says all there will be",
            UserWarning,
        )
        estimator.grown_ = True
    every = np.unique(np.append(known, new)) if len(new) else known
    return labels.Labels(every, labels.coded(found.classes, every)[found.codes])


def _parameters(
    estimator: Any, data: Dataset, classes: NDArray[Any], first: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
    shape = data.n_features + 1, data.n_classes
    if first:
        return np.zeros((shape[0] - 1, shape[1])), np.zeros(shape[1]), np.zeros(shape).ravel()
    before = estimator.model_
    place = labels.places(data.classes, before.classes)
    W, b = np.column_stack([before.W, np.zeros(len(before.W))])[:, place], np.append(before.b, 0.0)[place]
    velocity = getattr(estimator, "velocity_", np.zeros((shape[0], before.n_classes)))
    velocity = np.column_stack([velocity, np.zeros(shape[0])])[:, place]
    return W, b, velocity.ravel()


def _store(
    estimator: Any,
    X: Any,
    array: Any,
    data: Dataset,
    classes: NDArray[Any],
    settings: Settings,
    swept: Any,
    calls: int,
    rate: float,
) -> None:
    stacked = swept.theta.reshape(data.n_features + 1, data.n_classes)
    W = stacked[:-1] - stacked[:-1].mean(axis=1, keepdims=True)
    prior, provenance = _seen(estimator, data, settings.label_smoothing, calls)
    model = Model(
        W,
        stacked[-1] - stacked[-1].mean(),
        data.classes,
        data.scale,
        data.shift,
        settings=settings.as_dict(),
        class_prior=prior,
        provenance=provenance,
    )
    estimator._take(model, classes, rows.precision(array))
    estimator._lend(X, "coef_", "intercept_", "class_prior_", "scale_", "shift_", "fill_")
    if swept.velocity is not None:
        estimator.velocity_ = swept.velocity.reshape(stacked.shape)
    estimator.learning_rate_, estimator.t_ = rate, calls + 1
    estimator.n_iter_ = rows.returned(np.array([calls + 1], np.int32), X)
    estimator.certificate_ = float("inf")
    estimator.status_name_, estimator.status_ = provenance["status"], provenance["message"]
    estimator.solver_ = "SGD"
    history = estimator.__dict__.get("history_", {}) if calls else {}
    figures = {"value": swept.value, "loss": swept.loss, "accuracy": swept.n_correct / swept.weight}
    estimator.history_ = {name: np.append(history.get(name, []), value) for name, value in figures.items()}


def _seen(estimator: Any, data: Dataset, smoothing: float, calls: int) -> tuple[Any, dict[str, Any]]:
    """Return how frequent the classes were in all rows so far, these included, and what is told of them.

    A calibration, and a shift of the prior in it, is not gone on from.
    """
    told = estimator.__dict__.get("provenance_", {})
    before = told.get("weight", 0.0)
    seen = before + data.weight
    now, known = data.frequencies(smoothing=smoothing), told.get("class_prior", estimator.__dict__.get("class_prior_"))
    prior: NDArray[np.float64] | None = now
    if known is None and hasattr(estimator, "coef_"):
        prior = None  # nothing is known of what it was fitted to
    elif before:
        place = labels.places(data.classes, labels.plain(estimator.classes_))
        prior = (before * np.append(np.asarray(rows.host(known), float), 0.0)[place] + data.weight * now) / seen
    return prior, {
        "n_rows": told.get("n_rows", 0) + data.n_rows,
        "weight": seen,
        "status": "MAX_STEPS",
        "message": f"minibatch steps over {calls + 1} parts of the data, {seen:g} rows' weight in all",
        "certificate": None,
    }
