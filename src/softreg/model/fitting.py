"""fit: from a Dataset and settings to a Model, by way of an objective and a solver."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.data import Dataset
from softreg.errors import DataError, FitInterrupted, SettingError, ShapeError
from softreg.kernels import one_blas_thread
from softreg.model import overflow
from softreg.model.choice import choose
from softreg.model.model import Model, Score
from softreg.model.present import Present
from softreg.model.settings import AUTO, Settings
from softreg.model.start import begin
from softreg.objective import CompositeObjective, SoftmaxObjective, separation
from softreg.protocols import Gap, Separation, Vector
from softreg.solvers import Answer, Solution, Status, Step, minimise

__all__ = ["fit"]


def fit(
    data: Dataset,
    settings: Settings | None = None,
    *,
    rows: NDArray[np.int64] | None = None,
    start: Model | None = None,
    validation: Dataset | NDArray[np.int64] | None = None,
    callback: Callable[[Step, Score | None], Answer] | None = None,
    n_threads: int | None = None,
) -> tuple[Model, Solution]:
    """Fit softmax regression to a Dataset.

    Parameters
    ----------
    data : Dataset
    settings : Settings, optional
    rows : (m,) array of int, optional
        The rows that train, by their numbers; all of them by default.
    start : Model, optional
        Where to start: the parameters of this model, of the same features and classes. Its scale and shift may differ.
    validation : Dataset, or (m,) array of int, optional
        Other data, or rows of this data by their numbers. Scored after each step, for the history and the callback; the
        fit itself never sees it.
    callback : callable, optional
        Told of each step and its validation score. What is true stops the fit, and a text says why; a `Verdict` of
        softreg.solvers may also have this point kept. `EarlyStopping` is one.
    n_threads : int, optional
        Threads to use, by default as many as there are processors for this process. The result is the same.

    Returns
    -------
    model : Model
    solution : Solution
        How the solve ended, in a word and in a sentence, and its figures with their times. Without a penalty it may
        end as SEPARABLE: there is no optimum, `separation` says why, and the model is that of the last point. Classes
        without rows of any weight are left out by a solver that converges, which `message` says: their probability is
        0, and the gap is that to the infimum.

    Raises
    ------
    DataError
        Where there is nothing to learn from, or values are so large that their products overflow.
    FitError
        Where the solve ran into infinities.
    FitInterrupted
        On Ctrl-C; it carries the model of the last whole step, which for a converging solver is the lowest, or of the
        point that a callback had kept.

    Examples
    --------
    >>> from softreg import SGD
    >>> data = Dataset.from_labels([[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"])
    >>> model, solution = fit(data, Settings(solver=SGD(learning_rate=1.0, batch_size=2), max_steps=200))
    >>> model.predict([[0.2], [2.9]])
    array(['low', 'high'], dtype='<U4')
    >>> solution.status.name
    'MAX_STEPS'
    """
    settings = Settings() if settings is None else settings
    if not isinstance(settings, Settings):
        raise SettingError("settings", settings, "Settings(…)")
    if not isinstance(data, Dataset):
        raise DataError(f"data is a {type(data).__name__}; expected a Dataset: Dataset.from_labels(X, y) makes one")
    if rows is not None:
        rows = _numbers("rows", rows, data)
    if validation is not None and not isinstance(validation, Dataset):
        judged, judged_rows = data, _numbers("validation", validation, data)
    elif validation is not None:
        judged, judged_rows = validation, None
        if validation.n_features != data.n_features:
            raise ShapeError("validation", validation.X.shape, f"(rows, {data.n_features}), as the data")
        if not np.array_equal(validation.classes, data.classes):
            raise DataError("the validation data has other classes than the data, or in another order")
    if start is not None:
        if start.n_features != data.n_features:
            raise ShapeError("start.W", start.W.shape, f"({data.n_features}, {data.n_classes}), as the data")
        if not np.array_equal(start.classes, data.classes):
            raise DataError("the model to start from has other classes than the data, or in another order")
    smoothing = settings.label_smoothing
    whole = SoftmaxObjective(
        data, rows=rows, n_threads=n_threads, intercept=settings.fit_intercept, smoothing=smoothing
    )
    if whole.n_rows == 0:
        raise DataError("the data has no rows: there is nothing to fit")
    if not whole.weight > 0:
        raise DataError("all weights are 0: there is nothing to fit")
    # Without an intercept, as to a solver that does not go to the optimum, a class without rows is one like any other.
    # Smoothing gives each class something of every row.
    leaving = settings.converges and settings.fit_intercept and not smoothing
    present = (Present.of if leaving else Present.all_of)(data, rows, smoothing)
    objective = _penalised(replace(whole, data=present.data), settings, data.n_classes)
    chosen = ""
    if settings.solver == AUTO:
        choice = choose(objective)
        settings, chosen = replace(settings, solver=choice.solver), choice.reason
    solver = settings.solver
    assert not isinstance(solver, str)  # noqa: S101 - a name was resolved when the settings were made
    scores: list[Score] = []

    def on_step(step: Step) -> Answer:
        score = None
        if validation is not None:
            score = _model(present, objective, step.theta, settings).score(judged, judged_rows)
            scores.append(score)
        return None if callback is None else callback(replace(step, theta=present.widen(step.theta)), score)

    def certify(objective: _Objective, state: Any, wanted: float) -> Gap:
        if present.alone:
            return Gap(state.value)  # no value is below 0
        return objective.gap(state.theta, state.point, wanted, state.newton)

    def separated(objective: SoftmaxObjective, state: Any, moved: Vector | None) -> Separation | None:
        return separation.find(objective.data, objective.rows, state.theta, moved, settings.fit_intercept)

    theta = begin(present, settings, start)
    unbounded = settings.converges and math.isinf(settings.C) and not smoothing
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):  # an overflow is told by the status
        solution = minimise(
            objective,
            solver,
            theta,
            max_steps=0 if present.alone else settings.max_steps or 0,
            finer=objective.finer() if settings.converges else None,
            certify=certify if settings.converges else None,
            tol=settings.tol,
            separation=separated if unbounded and not present.alone else None,
            callback=on_step,
        )
        smooth = objective.smooth if isinstance(objective, CompositeObjective) else objective
        overflow.explain(smooth, theta, solution)
    model = _model(present, objective, solution.theta, settings, solution, scores)
    solution = replace(
        solution,
        theta=present.widen(solution.theta),
        message=present.told(solution.message),
        chosen=chosen,
        separation=solution.separation and present.separation(solution.separation),
    )
    if solution.status is Status.INTERRUPTED:
        raise FitInterrupted(model, solution)
    return model, solution


_ALWAYS = ("value", "loss", "accuracy", "passes")


_Objective = SoftmaxObjective | CompositeObjective


def _penalised(smooth: SoftmaxObjective, settings: Settings, n_classes: int) -> _Objective:
    strength, l1_ratio = 1 / settings.C / smooth.weight, settings.l1_ratio
    # Two classes are fitted as a softmax. Of all W with one difference of rows w = w1 − w0, ±w/2 has the least ‖W‖²,
    # ‖w‖²/2, and the least ‖W‖₁, ‖w‖₁: with the L2 penalty doubled this is exactly the fit of one row of weights.
    # (Two that are left of more keep the penalty of those: a class's last row makes no jump.)
    smooth = replace(smooth, l2=(2 if n_classes == 2 else 1) * (1 - l1_ratio) * strength)
    return CompositeObjective(smooth, l1_ratio * strength) if l1_ratio * strength > 0 else smooth


def _numbers(name: str, rows: ArrayLike, data: Dataset) -> NDArray[np.int64]:
    index = np.asarray(rows)
    if index.ndim != 1 or (index.dtype.kind not in "iu" and len(index)):
        what = f"{type(rows).__name__} of dtype {index.dtype} and shape {index.shape}"
        raise DataError(
            f"{name} is a {what}; expected a list of row numbers"
            + (", or a Dataset: Dataset.from_labels(X, y) makes one" if name == "validation" else "")
        )
    wrong = np.flatnonzero((index < 0) | (index >= data.n_rows))
    if len(wrong):
        raise DataError(f"{name} has the number {index[wrong[0]]}; expected rows from 0 to {data.n_rows - 1}")
    return index.astype(np.int64)


def _model(
    present: Present,
    objective: _Objective,
    theta: Vector,
    settings: Settings,
    solution: Solution | None = None,
    scores: list[Score] | None = None,
) -> Model:
    data = present.whole
    history = {}
    if solution is not None:
        # No times, so that equal fits make equal files; what is unknown is nan there, and what always was is left out.
        known = {name: np.where(np.isinf(v), np.nan, v) for name, v in solution.history.items() if name != "seconds"}
        history = {name: v for name, v in known.items() if name in _ALWAYS or not np.isnan(v).all()}
        if scores:  # one short where Ctrl-C came between a step and its score
            scores = [*scores, *[Score(math.nan, math.nan)] * (solution.steps - len(scores))]
            history |= {f"validation_{name}": np.array([getattr(s, name) for s in scores]) for name in Score._fields}
    # Adding a constant to a row of W, or to b, changes no probability: choose the one with mean 0. Not where it is the
    # L1 penalty that chose, and zeros would be lost; of two classes both would choose the same.
    W, b = objective.split(theta)
    if not (isinstance(objective, CompositeObjective) and len(b) > 2):
        W = W - W.mean(axis=1, keepdims=True)
    b = b - b[present.own].mean()
    if present.reduced:
        stacked = present.widen(np.append(W, [b], axis=0).ravel()).reshape(-1, data.n_classes)
        W, b = stacked[:-1], stacked[-1]
    return Model(
        W,
        b,
        data.classes,
        data.scale,
        data.shift,
        data.feature_names,
        data.image_shape,
        settings.as_dict(),
        history,
    )
