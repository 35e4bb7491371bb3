"""report: from a model and labelled rows to a Report."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from softreg.arrays import dense
from softreg.decision.deciding import named_costs
from softreg.decision.held_out import every_class
from softreg.errors import DataError, SettingError
from softreg.metrics import measure
from softreg.metrics.checks import whole
from softreg.report.answers import answers
from softreg.report.examples import Examples, examples
from softreg.report.figures import Rows
from softreg.report.fitted import curves, fitted
from softreg.report.result import Report
from softreg.report.savings import savings
from softreg.report.sprite import Sprite, sprite, weight_picture
from softreg.report.strongest import strongest
from softreg.report.trust import divided, trust

if TYPE_CHECKING:
    from softreg.data import Dataset
    from softreg.model import Model
    from softreg.solvers import Solution

__all__ = ["report"]

IMAGES = 640  # in the sprite, at most
PICTURES = 60  # classes whose weights are drawn


def report(
    model: Model,
    data: Dataset,
    *,
    solution: Solution | None = None,
    calibration: Dataset | None = None,
    costs: Any = None,
    seed: int = 0,
    resamples: int = 1000,
    when: datetime.datetime | None = None,
    name: str = "the model",
    data_name: str = "the rows given",
    calibration_name: str = "other rows",
    trained_on: str | None = None,
) -> Report:
    """Judge a model by labelled rows, for people to see and as figures.

    Parameters
    ----------
    model : Model
        Or an estimator that holds one.
    data : Dataset
        Labelled rows that the model was not fitted on. It may lack some of the model's classes.
    solution : Solution, optional
        Of the fit, for how long it took, which a Model does not tell.
    calibration : Dataset, optional
        Rows to fit a temperature and prediction sets on, as far as the model has none. Without them it is one half of
        `data`, drawn by the seed, and the other half is what they are judged by.
    costs : CostMatrix, (K, A) array, path of a CSV file, or mapping, optional
        Of each action where each class is true; see `softreg.decision.CostMatrix.from_table`.
    seed : int
        Of that half, and of the bootstrap.
    resamples : int
        Of the bootstrap; 0 leaves out the intervals that need it.
    when : datetime, optional
        To be shown; without it the report has no time, and the same inputs make the same bytes.
    name, data_name, calibration_name, trained_on : str
        Of the model, the rows, and those of the fit, to be shown.

    Returns
    -------
    Report
        `save` writes a web page, `save_json` the figures; a notebook shows it.

    Raises
    ------
    ShapeError
        Where the rows have other features than the model.
    LabelError
        Where they have classes that the model has not, `calibration` has no rows of one, or costs are not for its
        classes.
    DataError
        Without rows, where the rows have probabilities for labels, or costs are not finite numbers.

    Examples
    --------
    >>> from softreg import Dataset, Settings, fit
    >>> data = Dataset.from_labels([[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"])
    >>> model, solution = fit(data, Settings("auto", C=1.0))
    >>> found = report(model, data, solution=solution)
    >>> found
    Report(the model on the rows given: 4 rows, 2 classes, accuracy 1.0000)
    >>> found.as_dict()["evaluation"]["figures"]["accuracy"]["value"]
    1.0
    """
    seconds = _seconds(model, solution)
    model = getattr(model, "model_", model)
    seed, resamples = whole("seed", seed, 0), whole("resamples", resamples, 0)
    if solution is not None and not hasattr(solution, "kept"):
        raise SettingError("solution", solution, "the Solution that fit returns, or None")
    if when is not None and not isinstance(when, datetime.datetime):
        raise SettingError("when", when, "a datetime, or None")
    matrix = None if costs is None else named_costs(costs, model.classes)[0]
    if calibration is not None and model.calibration is not None and model.conformal is not None:
        raise DataError("the model has a calibration and scores for sets of its own: there is nothing to fit on others")
    given = answers(model, data)
    if not given.n_rows:
        raise DataError(f"{data_name} has no rows: a report needs some to judge the model by")
    other = None if calibration is None else answers(model, calibration)
    evaluation = measure(
        given.probs,
        given.y,
        classes=model.classes,
        log_probs=given.log_probs,
        sample_weight=given.weights,
        costs=None if matrix is None else matrix.costs,
        resamples=resamples,
        seed=seed,
    )
    if calibration is not None and calibration.n_rows:
        every_class(model, calibration)
    parts = divided(model, given, other, seed, data_name if other is None else calibration_name)
    trusted, saved = None, None
    if parts is not None:
        trusted, probs = trust(model, *parts)
        if matrix is not None:
            saved = savings(matrix, probs, parts[1].y, parts[1].weights, seed)
    chosen = examples(given.probs, given.y, IMAGES)
    chosen, images = _images(model, data, chosen)
    return Report(
        fitted(model, solution, seconds, name, trained_on),
        Rows(data_name, given.n_rows, tuple(np.bincount(given.y, minlength=model.n_classes).tolist()),
             given.weights is not None),
        curves(model),
        chosen.samples,
        chosen.mistakes,
        chosen.kinds,
        None if model.image_shape is not None else strongest(model, data),
        evaluation,
        trusted,
        saved,
        when,
        images,
        _weights(model),
        chosen.counts,
    )  # fmt: skip


def _seconds(model: Any, solution: Solution | None) -> float | None:
    """How long the fit took, where a Solution or an estimator tells."""
    if solution is not None:
        return solution.seconds
    steps = getattr(model, "history_", {}).get("seconds", ())
    return float(steps[-1]) if len(steps) else None


def _images(model: Model, data: Dataset, chosen: Examples) -> tuple[Examples, Sprite | None]:
    shape = model.image_shape or data.image_shape
    if shape is None:
        return chosen, None
    pixels = dense(data.X, chosen.rows).astype(float).reshape(-1, *shape)
    made = sprite(_grey(pixels, data.X.dtype))
    return chosen.placed(made.count), made


def _grey(pixels: NDArray[np.float64], dtype: Any) -> NDArray[np.float64]:
    """Pixels from 0 to 1: bytes as they are meant, others from the least to the largest of these images."""
    if dtype == np.uint8:
        return pixels / 255
    low, high = float(pixels.min()), float(pixels.max())
    return (pixels - low) / (high - low) if high > low else np.zeros_like(pixels)


def _weights(model: Model) -> tuple[bytes, ...]:
    """Return pictures of the weights in the units of the pixels, all to one scale."""
    if model.image_shape is None:
        return ()
    W = model.W * np.broadcast_to(model.scale, len(model.W))[:, None]
    W = (W - W.mean(axis=1, keepdims=True))[:, :PICTURES]
    largest = float(np.abs(W).max())
    return tuple(weight_picture(w.reshape(model.image_shape), largest) for w in W.T)
