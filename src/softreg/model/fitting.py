"""fit: from a Dataset and settings to a Model, by way of an objective and a solver."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.data import Dataset
from softreg.errors import DataError, SettingError, ShapeError
from softreg.model.model import Model, Score
from softreg.model.path import Path
from softreg.model.settings import Settings
from softreg.solvers import Answer, Solution, Step

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
    judged, judged_rows = validation, None
    if validation is not None and not isinstance(validation, Dataset):
        judged, judged_rows = data, _numbers("validation", validation, data)
    elif validation is not None and validation.n_features != data.n_features:
        raise ShapeError("validation", validation.X.shape, f"(rows, {data.n_features}), as the data")
    elif validation is not None and not np.array_equal(validation.classes, data.classes):
        raise DataError("the validation data has other classes than the data, or in another order")
    if start is not None:
        if start.n_features != data.n_features:
            raise ShapeError("start.W", start.W.shape, f"({data.n_features}, {data.n_classes}), as the data")
        if not np.array_equal(start.classes, data.classes):
            raise DataError("the model to start from has other classes than the data, or in another order")
    judge = None if judged is None else lambda model: model.score(judged, judged_rows)
    path = Path(data, settings, rows, n_threads)
    return path.fit(settings.C, start=start, judge=judge, callback=callback)


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
