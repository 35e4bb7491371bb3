"""shift_prior: the model for a place where its classes are otherwise frequent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from softreg.decision.calibration import Scaling
from softreg.decision.prior import paired
from softreg.errors import DataError

__all__ = ["shift_prior"]

M = TypeVar("M", bound=Any)  # softreg.model stands above this layer

NOTHING = np.finfo(float).tiny  # no finite bias makes a share of 0; this one leaves a probability that is nothing


def shift_prior(model: M, new: ArrayLike, old: ArrayLike | None = None) -> M:
    """Return the model for rows of other class frequencies: its probabilities are those that `reweight` gives.

    Parameters
    ----------
    model : Model
    new : (K,) array
        Class frequencies that sum to 1 where it is used, such as `estimate_prior` finds.
    old : (K,) array, optional
        Those where its probabilities hold; its own `class_prior` by default.

    Returns
    -------
    Model
        With `class_prior` new, and without scores for prediction sets, which hold for the old frequencies alone.

    Raises
    ------
    DataError
        Where `old` is not given and the model does not have it, or `new` has a class that never occurs in it.

    Examples
    --------
    >>> from softreg import Model
    >>> model = Model(np.array([[1.0, -1.0]]), np.zeros(2), np.array(["ill", "well"]), class_prior=[0.5, 0.5])
    >>> model.predict_proba([[0.5]]).round(3)
    array([[0.731, 0.269]])
    >>> shift_prior(model, [0.1, 0.9]).predict_proba([[0.5]]).round(3)
    array([[0.232, 0.768]])
    """
    if old is None and model.class_prior is None:
        raise DataError("the model does not say how frequent its classes were where it was fitted; `old` may")
    before, after = paired(model.class_prior if old is None else old, new, model.n_classes)
    scaling = (model.calibration or Scaling()).shifted(np.maximum(before, NOTHING), np.maximum(after, NOTHING))
    own = None if model.class_prior is None else model.class_prior.tolist()
    told = {"class_prior": own} | dict(model.provenance)  # of the fit, for a calibration after this one
    return replace(model, calibration=scaling, conformal=None, class_prior=after, provenance=told)
