"""Calibration: temperature and vector scaling, fitted on rows that the model was not (Guo et al. 2017).

    calibrated = softmax(z / T)           temperature: the order of the classes stays
               = softmax(s ∘ z̃ + c)       vector: a factor and a bias for each class, z̃ = z − mean_k z_k

Logits are logits up to a constant for each row, which factors of each class would not leave alone: hence z̃. Both are
softmax regressions on them, and are fitted as such, by Newton's method: `softreg.decision.scaling`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.decision.prior import frequencies
from softreg.decision.scaling import ScalingObjective
from softreg.errors import DataError, FitError, ShapeError
from softreg.functional import cross_entropy, softmax
from softreg.metrics.checks import labels, positive, row_weights
from softreg.solvers import Newton, Status, minimise
from softreg.solvers.checks import real, whole

__all__ = ["METHODS", "Scaling", "temperature_scaling", "vector_scaling"]

Array = NDArray[np.float64]
NEAR = 1e-9  # of the optimum, relative: as certified, before a scaling is given to anyone
MAX_STEPS = 100


@dataclass(frozen=True, eq=False)
class Scaling:
    """What calibration does to logits: scale · z + bias, or scale ∘ (z − mean_k z_k) + bias for a scale of each class.

    Attributes
    ----------
    scale, bias : float, or (K,) array
        For all classes, or for each.
    n_rows : int
        That it was fitted on.
    loss_before, loss_after : float
        Mean cross-entropy of those rows, nan where it was not fitted.
    """

    scale: float | Array = 1.0
    bias: float | Array = 0.0
    n_rows: int = 0
    loss_before: float = math.nan
    loss_after: float = math.nan

    def __post_init__(self) -> None:
        for name in ("scale", "bias"):
            value = np.asarray(getattr(self, name), float)
            if value.ndim > 1:
                raise ShapeError(name, value.shape, "a number, or one for each class")
            if not np.isfinite(value).all():
                raise DataError(f"{name} of a scaling has nan or infinite entries")
            object.__setattr__(self, name, value if value.ndim else float(value))
        whole(self, 0, "n_rows")
        real(self, "loss_before", "loss_after")

    @property
    def temperature(self) -> float | None:
        """T, where that is all it is; None for a scaling by class."""
        return 1 / self.scale if isinstance(self.scale, float) and self.scale > 0 and not np.any(self.bias) else None

    def logits(self, z: ArrayLike) -> Array:
        """Return scaled logits.

        Examples
        --------
        >>> Scaling(0.5).logits([[2.0, 0.0]])
        array([[1., 0.]])
        """
        scaled = np.asarray(z, float)
        if isinstance(self.scale, np.ndarray):
            scaled = scaled - scaled.mean(axis=-1, keepdims=True)
        return np.asarray(scaled * self.scale + self.bias, float)

    def probabilities(self, z: ArrayLike) -> Array:
        """Return calibrated probabilities for rows of logits.

        Examples
        --------
        >>> Scaling(0.5).probabilities([[2.0, 0.0]]).round(3)
        array([[0.731, 0.269]])
        """
        probs: Array = softmax(self.logits(z))
        return probs

    def shifted(self, old: ArrayLike, new: ArrayLike) -> Scaling:
        """Return this followed by a shift of the prior: p_k ∝ p_k new_k / old_k is a bias log(new_k / old_k).

        Raises
        ------
        DataError
            Where a frequency is 0, which no finite bias makes: `softreg.decision.reweight` takes it.

        Examples
        --------
        >>> Scaling().shifted([0.5, 0.5], [0.75, 0.25]).probabilities([[0.0, 0.0]])
        array([[0.75, 0.25]])
        """
        old, new = frequencies(old, "old"), frequencies(new, "new")
        if old.shape != new.shape:
            raise ShapeError("new", new.shape, f"{old.shape}, as old")
        if not (old.all() and new.all()):
            raise DataError("a class has the frequency 0: no finite bias makes that; reweight probabilities instead")
        return replace(self, bias=self.bias + np.log(new / old))

    def __repr__(self) -> str:
        what = f"temperature {self.temperature:.6g}" if self.temperature else "by class"
        fitted = f", {self.n_rows} rows, loss {self.loss_before:.4f} → {self.loss_after:.4f}" if self.n_rows else ""
        return f"Scaling({what}{fitted})"


def temperature_scaling(logits: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Scaling:
    """Fit one temperature to held-out rows.

    Parameters
    ----------
    logits : (n, K) array
        Of rows that the model was not fitted on; logarithms of probabilities do as well.
    y : (n,) array of int
        Their labels, as columns.
    sample_weight : (n,) array, optional

    Raises
    ------
    DataError
        Without rows; where every row is right, for which T = 0 would be best; or where the logits tell less than
        nothing of these labels, for which no T is.

    Examples
    --------
    >>> z = [[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 4.0]]
    >>> scaling = temperature_scaling(z, [0, 0, 1, 1])
    >>> round(scaling.temperature, 4), scaling.probabilities(z[:1]).round(4)
    (3.641, array([[0.75, 0.25]]))
    """
    z, codes, w = _held_out(logits, y, sample_weight)
    own = z[np.arange(len(z)), codes]
    if not float(w @ (own - z.mean(axis=1))) > 0:
        raise DataError(
            "the logits tell nothing of these labels: the label's is on average no larger than the others, so no "
            "temperature above 0 is best; are these the model's classes, in its order?"
        )
    if not float(w @ (z.max(axis=1) - own)) > 0:
        which = "the row" if len(z) == 1 else f"all {len(z)} rows"
        raise DataError(
            f"the model is right on {which}, for which a temperature of 0 would be best: a temperature needs rows that "
            "it is wrong on, of which more rows may have some"
        )
    largest = float(np.abs(z).max())  # some are in the millions
    size = largest * math.sqrt(float(w @ (z / largest).var(axis=1)) / float(w.sum()))
    scaling = _fitted(ScalingObjective(z / size, codes, w, per_class=False), np.ones(1))
    assert isinstance(scaling.scale, float)  # noqa: S101 - one for all classes
    before = float(w @ cross_entropy(z, codes, reduction="none")) / float(w.sum())
    return replace(scaling, scale=scaling.scale / size, loss_before=before)


def vector_scaling(
    logits: ArrayLike, y: ArrayLike, *, prior: float = 1.0, sample_weight: ArrayLike | None = None
) -> Scaling:
    """Fit a factor and a bias for each class to held-out rows.

    Parameters
    ----------
    logits : (n, K) array
        Of rows that the model was not fitted on.
    y : (n,) array of int
    prior : float
        Above 0: what it adds to the sum of losses is prior/2 (‖s − 1‖² + ‖c‖²), a standard normal prior around no
        change at all where it is 1. Without any (Guo et al. have none) a class without rows has no best bias.
    sample_weight : (n,) array, optional

    Raises
    ------
    DataError
        Without rows.

    Examples
    --------
    >>> z = [[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 4.0]]
    >>> vector_scaling(z, [0, 0, 1, 1], prior=1e-6).probabilities(z).round(3)
    array([[0.667, 0.333],
           [0.667, 0.333],
           [0.667, 0.333],
           [0.   , 1.   ]])
    """
    prior = positive("prior", prior)
    z, codes, w = _held_out(logits, y, sample_weight)
    z -= z.mean(axis=1, keepdims=True)
    objective = ScalingObjective(z, codes, w, per_class=True, l2=prior / float(w.sum()))
    return _fitted(objective, objective.identity)


METHODS = {"temperature": temperature_scaling, "vector": vector_scaling}


def _held_out(logits: ArrayLike, y: ArrayLike, weights: ArrayLike | None) -> tuple[Array, NDArray[np.intp], Array]:
    z: NDArray[Any] = np.asarray(logits)
    if z.ndim != 2 or z.shape[1] < 2:
        raise ShapeError("logits", z.shape, "(rows, classes), a column for each of at least two classes")
    if not len(z):
        raise DataError("there are no rows to calibrate on")
    z = z.astype(float)
    bad = np.flatnonzero(~np.isfinite(z).all(axis=1))
    if len(bad):
        raise DataError(f"{len(bad)} rows of logits hold nan or infinite values; the first is row {bad[0]}")
    return z, labels(y, *z.shape), row_weights(weights, len(z))


def _fitted(objective: ScalingObjective, theta: Array) -> Scaling:
    with np.errstate(over="ignore", invalid="ignore"):  # told by the status
        solution = minimise(
            objective,
            Newton(exact_passes=math.inf),
            theta,
            max_steps=MAX_STEPS,
            certify=lambda objective, state, wanted: objective.gap(state.theta, state.point),
        )
    if solution.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    if not solution.gap <= NEAR * abs(solution.value):  # nan too
        raise FitError(f"the calibration did not come to its optimum: {solution.message}")
    s, c = objective.split(solution.theta)
    before, after = (objective.evaluate(at).loss for at in (objective.identity, solution.theta))
    scale, bias = (s, c) if objective.per_class else (float(s[0]), 0.0)
    return Scaling(scale, bias, int(np.count_nonzero(objective.w)), before, after)
