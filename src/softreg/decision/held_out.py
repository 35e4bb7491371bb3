"""calibrate: from a model and held-out rows to a model whose probabilities, and sets, hold on rows like them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from softreg.decision.calibration import METHODS
from softreg.decision.conformal import SplitConformal
from softreg.errors import DataError, LabelError, SettingError
from softreg.metrics.checks import share as in_unit
from softreg.metrics.checks import whole
from softreg.metrics.labelled import codes_of

if TYPE_CHECKING:
    from softreg.data import Dataset

__all__ = ["calibrate", "divided", "every_class"]

SHOWN = 8  # classes in a message

M = TypeVar("M", bound=Any)  # softreg.model stands above this layer


def calibrate(
    model: M,
    data: Dataset,
    *,
    method: str | None = "temperature",
    sets: SplitConformal | str | None = None,
    share: float = 0.5,
    seed: int = 0,
    allow_absent: bool = False,
) -> M:
    """Calibrate a model on held-out rows.

    Parameters
    ----------
    model : Model
    data : Dataset
        Labelled rows that the model was not fitted on.
    method : {"temperature", "vector"}, optional
        See `temperature_scaling` and `vector_scaling`; None leaves the probabilities as they are.
    sets : SplitConformal or {"lac", "aps", "raps"}, optional
        Settings of prediction sets, or the name of a score: those of the rows are taken too. What sets promise holds
        for rows that nothing was fitted to, the temperature included, so that the rows are divided at random.
    share : float
        Of the rows, that the probabilities are calibrated on where the others are for the sets.
    seed : int
        Of that division.
    allow_absent : bool
        Whether the rows may have none of some classes, as few rows of many classes do: nothing tells then how right
        the probabilities of those are. (Not asked of classes that the model had no rows of.)

    Returns
    -------
    Model
        The same with `calibration` and `conformal`. Its `predict_proba` is calibrated, `logits` is as it was. What it
        had of both, and a shift of the prior, is gone where its probabilities changed.

    Raises
    ------
    DataError
        Without rows, where they have no labels but probabilities, or as the methods raise.
    LabelError
        Where rows have classes that the model has not, or have none of one that it has.

    Examples
    --------
    >>> import numpy as np
    >>> from softreg import Dataset, Model
    >>> model = Model(np.array([[4.0, -4.0]]), np.zeros(2), np.array(["up", "down"]))
    >>> X, y = [[1.0], [1.0], [1.0], [-1.0], [-1.0]], ["up", "up", "down", "down", "down"]
    >>> better = calibrate(model, Dataset.from_labels(X, y))
    >>> better.predict_proba([[1.0]]).round(2)
    array([[0.8, 0.2]])
    """
    if method is not None and method not in METHODS:
        raise SettingError("method", method, f"one of {', '.join(map(repr, METHODS))}, or None")
    if isinstance(sets, str):
        sets = SplitConformal(sets)
    if sets is not None and not isinstance(sets, SplitConformal):
        raise SettingError("sets", sets, "SplitConformal(…), or the name of a score")
    if data.targets is not None:
        raise DataError("the held-out rows have probabilities for labels: calibration needs labels")
    codes = codes_of(data, model.classes)
    if not len(codes):
        raise DataError("there are no held-out rows: calibration needs some")
    whole("seed", seed, 0)
    in_unit("share", share)
    if not allow_absent:
        every_class(model, data)
    everything = np.arange(len(codes))
    parts = divided(len(codes), share, seed) if method is not None and sets is not None else (everything, everything)
    if not (len(parts[0]) and len(parts[1])):
        raise DataError(
            f"{len(codes)} held-out row{'' if len(codes) == 1 else 's'} cannot be parted, {share:g} of them for the "
            "probabilities and the others for the sets"
        )
    if method is not None:
        fitted = parts[0]
        z = model.logits(data.X, data.offset)[fitted]
        weights = None if data.weights is None else data.weights[fitted]
        scaling = METHODS[method](z, codes[fitted], sample_weight=weights)
        told = dict(model.provenance)  # a shift of the prior goes with the calibration that it was part of
        prior = told.pop("class_prior", model.class_prior)
        if method == "vector":  # whose biases make the classes as frequent as here
            told["class_prior"] = None if prior is None else np.asarray(prior).tolist()
            prior = np.average(scaling.probabilities(z), axis=0, weights=weights)
        model = replace(model, calibration=scaling, conformal=None, class_prior=prior, provenance=told)
    if sets is not None:
        probs = model.predict_proba(data.X, data.offset)[parts[1]]
        weights = None if data.weights is None else data.weights[parts[1]]
        model = replace(model, conformal=sets.fit(probs, codes[parts[1]], model.classes, weights))
    return model


def every_class(model: Any, data: Dataset) -> None:
    """Raise LabelError where held-out rows have none of a class that the model had rows of."""
    codes = codes_of(data, model.classes)
    weighty = codes if data.weights is None else codes[data.weights > 0]
    absent = np.bincount(weighty, minlength=model.n_classes) == 0
    if model.class_prior is not None:
        absent &= model.class_prior > 0
    if absent.any():
        names = model.classes[absent].tolist()
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        raise LabelError(
            f"there are no held-out rows of {', '.join(map(repr, names[:SHOWN]))}{more}, and nothing tells how right "
            "their probabilities are: take rows of all classes, or allow_absent (--allow-absent) if rows are like that"
        )


def divided(n: int, share: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which of n rows `calibrate` takes for the probabilities and which for the sets, if asked for both.

    Examples
    --------
    >>> divided(5, 0.4, seed=0)
    (array([2, 4]), array([3, 0, 1]))
    """
    order = np.random.default_rng(seed).permutation(n)
    first = round(share * n)
    return order[:first], order[first:]
