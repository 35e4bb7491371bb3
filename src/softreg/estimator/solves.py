"""A fit of an estimator, from what a caller gives it to its fitted attributes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning

from softreg import errors
from softreg.errors import FitInterrupted
from softreg.estimator import increments, labels, monitors, problem, rows
from softreg.estimator.prediction import Classifier
from softreg.model import Model, Settings, fit
from softreg.solvers import SGD, Solution, Status

__all__ = ["run", "store", "warn"]

DOUBTFUL = (Status.MAX_STEPS, Status.PRECISION_LIMIT, Status.SEPARABLE)
SMALL_GAP = 1e-6  # relative: a solve that rounding ended nearer than this is worth no warning


def run(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: ArrayLike | None,
    offset: ArrayLike | None = None,
    classes: ArrayLike | None = None,
) -> None:
    """Fit, and set the estimator's attributes; also where Ctrl-C comes, which is raised again."""
    settings = problem.settings(estimator)
    target = labels.read(y, classes)
    array = problem.features(estimator, X, reset=True)
    data = problem.dataset(estimator, array, target, sample_weight, offset)
    settings = problem.with_rate(estimator, settings, data)
    training, validation = problem.parts(estimator, data)
    dtype = rows.precision(array)
    given, tasks = monitors.given(estimator, X, y, sample_weight), None
    if given is not None:
        tasks = monitors.Tasks(estimator, data, given, lambda model: _made(model, target.classes, dtype, X))
    try:
        model, solution = fit(
            data,
            settings,
            rows=training,
            start=problem.start(estimator, data) if estimator.warm_start else None,
            validation=validation,
            callback=monitors.Monitors(estimator, tasks),
            n_threads=estimator.n_threads,
        )
    except FitInterrupted as interrupted:
        store(estimator, interrupted.model, interrupted.solution, settings, target.classes, dtype, X)
        raise
    store(estimator, model, solution, settings, target.classes, dtype, X)
    increments.forget(estimator)
    if tasks is not None:
        tasks.close()
    warn(estimator, solution, settings)


def store(
    estimator: Any, model: Model, solution: Solution, settings: Settings, classes: NDArray[Any], dtype: Any, X: Any
) -> None:
    """Set what a fit leaves behind."""
    estimator._take(model, classes, dtype)
    estimator._lend(X, "coef_", "intercept_", "class_prior_", "scale_", "shift_", "fill_")
    estimator.n_iter_ = rows.returned(np.array([solution.steps], np.int32), X)
    estimator.certificate_ = solution.certificate
    estimator.status_, estimator.status_name_ = solution.message, solution.status.name
    estimator.solver_ = solution.chosen or type(settings.solver).__name__
    estimator.history_ = {**model.history, "seconds": np.asarray(solution.history["seconds"])}


def _made(model: Model, classes: NDArray[Any], dtype: Any, X: Any) -> dict[str, Any]:
    """Return the attributes that make an estimator of a step's model, for scikit-learn's callbacks."""
    made = Classifier()
    made._take(model, classes, dtype)
    made._lend(X, "coef_", "intercept_", "class_prior_", "scale_", "shift_")
    return vars(made)


def warn(estimator: Any, solution: Solution, settings: Settings) -> None:
    """Warn where the fit did not come as near to the optimum as was asked for."""
    values = solution.history["value"]
    if isinstance(settings.solver, SGD) and len(values) and not solution.value <= values[0]:
        why = (
            f"{estimator.solver} went up: the value was {values[0]:.3g} in the first epoch and is {solution.value:.3g}"
        )
        errors.warn(f"{why}. Try a lower learning_rate, or standardize=True.", ConvergenceWarning)
        return
    if solution.status not in DOUBTFUL or not np.isfinite(estimator.tol):
        return
    exact = estimator.certificate_ <= SMALL_GAP or estimator.certificate_ == np.inf  # that: without a penalty
    if solution.status is Status.PRECISION_LIMIT and exact:
        return
    why = f"{estimator.solver} failed to converge: {solution.message}."
    if solution.status is Status.MAX_STEPS:
        why += (
            " The max_iter was reached which means the coef_ did not converge to the tol."
            " Increase the number of iterations."
        )
        if isinstance(settings.solver, SGD) and not estimator.standardize:
            why += " Steps are slow on columns of unlike units, or far from 0: standardize=True brings them to one."
    errors.warn(why, ConvergenceWarning)
