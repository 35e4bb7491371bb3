"""Whether a model is at the optimum of these rows, and the way there where it is not.

    distance = √(gᵀ H⁻¹ g)        g the gradient and H the Hessian of F (see `softreg.inference.information`)

is Newton's decrement. By Cauchy and Schwarz it is also the most that a Newton step moves any linear combination of the
parameters, in standard errors of that combination (from the information): so it is said in standard errors.

Without a penalty it also tells that the classes are not separated. Along a D that separates them (`softreg.objective.
overlap`, in sums instead of means) Dᵀ H D ≤ max m · (−⟨g, D⟩), with margins m ≤ √2 max|x| |D|; and −⟨g, D⟩ ≤ distance ·
√(Dᵀ H D), |D| ≤ √(‖H⁻¹‖ Dᵀ H D). So there is none where √2 max|x| distance √‖H⁻¹‖ < 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.errors import InferenceWarning, NotAtOptimumError, SeparatedError, SingularInformationError, warn
from softreg.inference.design import MAX_BYTES, Design, design
from softreg.inference.information import Moments, inverse, moments
from softreg.model import Model
from softreg.objective import separation
from softreg.protocols import Separated

__all__ = ["Optimum", "at_optimum", "polish"]

NEAR = 0.01  # standard errors that nobody minds
FAR = 1.0  # and from where the Hessian is not that of the optimum any more
LAST = 1e-6  # a step so short, in standard errors, leaves its square to be done
MAX_STEPS = 50
SUFFICIENT = 1e-4  # share of the fall that the slope promises (Armijo)

Array = NDArray[np.float64]

REMEDY = "softreg.inference.polish(model, X, y) takes it there, and so does a fit with Settings.for_inference()"


@dataclass(frozen=True, eq=False)
class Optimum:
    """A model's moments over the rows, the inverse of its information, and how far off it is."""

    moments: Moments
    covariance: Array  # (D, D)
    distance: float  # in standard errors


def at_optimum(rows: Design, *, meat: bool = False) -> Optimum:
    """Look at a model that ought to be at the optimum of these rows.

    Raises
    ------
    SingularInformationError
        Where columns or classes cannot be told apart.
    SeparatedError
        Where there is no optimum.
    NotAtOptimumError
        Where the model is more than a standard error from it.

    Warns
    -----
    InferenceWarning
        Where it is more than a hundredth of one from it.
    """
    _check(rows)
    found = moments(rows, rows.V, meat=meat)
    try:
        covariance = inverse(rows, found.information)
    except SingularInformationError:
        _check_separation(rows, rows.V)
        if found.value <= moments(rows, 0 * rows.V, information=False).value:
            raise
        raise NotAtOptimumError(
            math.inf, f"the coefficients fit these rows worse than none at all would; {REMEDY}"
        ) from None
    distance = _norm(found.gradient, covariance @ found.gradient)
    if not _overlap(found, covariance, distance):
        _check_separation(rows, rows.V)
    if not distance <= FAR:  # true for nan
        raise NotAtOptimumError(
            distance,
            f"the coefficients are {distance:.3g} standard errors from those that fit these rows best: either these "
            f"are not the rows, labels, weights and offsets of the fit, or it ended early: {REMEDY}",
        )
    if distance > NEAR:
        warn(
            f"the coefficients are up to {distance:.2g} standard errors from those that fit these rows best: {REMEDY}",
            InferenceWarning,
        )
    return Optimum(found, covariance, distance)


def polish(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    max_bytes: int = MAX_BYTES,
) -> Model:
    """Go on from a model to the optimum of these rows by Newton's method in float64, to the last digits.

    Parameters
    ----------
    model : Model, or an estimator that holds one as `model_`
        Its penalty is kept.
    X, y, sample_weight, offset
        The rows that it was fitted on.
    max_bytes : int
        Memory that the information matrix may take.

    Returns
    -------
    Model
        The same but for W and b, and not calibrated.

    Raises
    ------
    SingularInformationError, SeparatedError
        Where there is no optimum, or more than one.
    NotAtOptimumError
        Where Newton's method does not come near it.

    Examples
    --------
    >>> import numpy as np
    >>> from softreg import Dataset, Settings, fit
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]]), np.array([0, 1, 0, 1, 1])
    >>> model, _ = fit(Dataset.from_labels(X, y), Settings(max_steps=2))
    >>> polish(model, X, y).W.round(6)
    array([[-0.545213,  0.545213]])
    """
    rows = design(model, X, y, sample_weight, offset, max_bytes)
    _check(rows)
    V = rows.V
    start, nothing = (moments(rows, at, information=False).value for at in (V, 0 * V))
    V = V if start <= nothing else 0 * V  # true for nan
    try:
        V = _newton(rows, V)
    except (NotAtOptimumError, SingularInformationError):
        _check_separation(rows, V)
        raise
    W, b = rows.moved(V)
    return replace(rows.model, W=W, b=b, calibration=None, conformal=None)  # which were those of other coefficients


def _newton(rows: Design, V: Array) -> Array:
    for _ in range(MAX_STEPS):
        here = moments(rows, V)
        covariance = inverse(rows, here.information)
        step = covariance @ here.gradient
        distance = _norm(here.gradient, step)
        if distance <= LAST:  # values cannot tell what this step is worth
            if not _overlap(here, covariance, distance):
                _check_separation(rows, V)
            return V - _stacked(rows, step)
        V = _shortened(rows, V, here, step)
    raise NotAtOptimumError(distance, f"{MAX_STEPS} Newton steps have left {distance:.3g} standard errors to go")


def _check(rows: Design) -> None:
    rows.check_rank()
    empty = tuple(rows.data.classes[rows.counts == 0].tolist())
    if empty and rows.intercept:  # no penalty holds an intercept
        raise SingularInformationError(
            (),
            empty,
            f"there are no rows (of a weight above 0) of the classes {', '.join(map(repr, empty))}: their intercepts "
            "have no finite estimate; fit without these classes",
        )


def _overlap(found: Moments, covariance: Array, distance: float) -> bool:
    """Whether that proves that the classes are not separated; half of the bound is left to rounding."""
    return bool(math.sqrt(2) * found.longest * distance * math.sqrt(np.linalg.norm(covariance)) < 0.5)


def _check_separation(rows: Design, V: Array) -> None:
    if rows.penalty > 0:
        return
    W, b = rows.moved(V)
    theta = np.append(W, [b], axis=0)
    found = separation.examine(rows.data, None, theta, theta, rows.intercept)
    if found is not None and found.kind is not Separated.SUSPECTED:
        raise SeparatedError(found)


def _shortened(rows: Design, V: Array, here: Moments, step: Array) -> Array:
    slope = float(step @ here.gradient)
    direction, t = _stacked(rows, step), 1.0
    while t > 1e-10:
        trial = V - t * direction
        value = moments(rows, trial, information=False).value
        if value <= here.value - SUFFICIENT * t * slope + 1e-14 * abs(here.value):  # false for nan
            return trial
        t /= 2
    distance = math.sqrt(slope)
    raise NotAtOptimumError(distance, f"no step leads down, {distance:.3g} standard errors from the optimum")


def _stacked(rows: Design, step: Array) -> Array:
    """A flat step as a change of V, (p, K)."""
    out = np.zeros((rows.n_terms, rows.data.n_classes))
    out[:, rows.free] = step.reshape(len(rows.free), rows.n_terms).T
    return out


def _norm(gradient: Array, step: Array) -> float:
    return math.sqrt(max(float(gradient @ step), 0.0)) if np.isfinite(step).all() else math.inf
