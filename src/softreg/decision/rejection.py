"""When not to answer: rows whose most likely class is not likely enough are rejected, for someone else to decide.

    accept row i  where  c_i = max_k p_ik ≥ threshold          threshold = 1 − cost

is best where a mistake costs 1 and a rejection `cost` (Chow 1970). The same rule, with other thresholds, is best for a
given share of rows accepted and for a given risk (Franc, Průša & Voráček 2023).

The risk–coverage curve: of the coverage·n rows of the largest c, the mean loss (El-Yaniv & Wiener 2010). Its area, AURC
(Geifman & El-Yaniv 2017), is the mean of the risks at n coverages, 1/n … 1. Rows of equal c have each the mean loss of
all of them, and their mean weight: they are in no order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.errors import DataError, SettingError, ShapeError
from softreg.metrics.checks import labels, number, probabilities, row_weights

__all__ = ["Rejection", "RiskCoverage", "accepted_share", "risk_coverage"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rejection:
    """Accept a row whose largest probability is at least the threshold: one for all, or that of the class it is.

    Examples
    --------
    >>> Rejection.of_cost(0.3).accept([[0.6, 0.4], [0.8, 0.2]])
    array([False,  True])
    >>> Rejection([0.5, 0.9]).accept([[0.6, 0.4], [0.2, 0.8]])
    array([ True, False])
    """

    threshold: float | Array

    def __post_init__(self) -> None:
        value = np.asarray(self.threshold, float)
        if value.ndim > 1:
            raise ShapeError("threshold", value.shape, "a number, or one for each class")
        if not np.all((value >= 0) & (value <= 1)):  # nan too
            raise SettingError("threshold", value.tolist(), "probabilities from 0 to 1")
        object.__setattr__(self, "threshold", value if value.ndim else float(value))

    @classmethod
    def of_cost(cls, cost: float) -> Rejection:
        """Return Chow's rule, where a rejection costs so much of what a mistake does.

        At a cost of 1 − 1/K and above nothing is ever rejected: one of K classes is at least 1/K probable.
        """
        if not 0 <= cost <= 1:  # nan too
            raise SettingError("cost", cost, "a number from 0 to 1, in units of the cost of a mistake")
        return cls(1.0 - cost)

    @classmethod
    def of_share(cls, probs: ArrayLike, accept: float, *, per_class: bool = False) -> Rejection:
        """Learn the threshold that accepts this share of rows, from the probabilities of rows like them.

        Parameters
        ----------
        probs : (n, K) array
            Their labels are not needed.
        accept : float
            In (0, 1]: at least this share of them is accepted, and more only where probabilities are equal.
        per_class : bool
            A threshold for each class, by which as many of the rows that are taken for it are accepted. A class that
            none is taken for has the threshold that all rows together would have.

        Raises
        ------
        DataError
            Without rows.

        Examples
        --------
        >>> Rejection.of_share([[0.6, 0.4], [0.8, 0.2], [0.3, 0.7], [0.9, 0.1]], 0.5).threshold
        0.8
        """
        P = probabilities(probs)
        _check_share(accept)
        if not len(P):
            raise DataError("there are no rows to learn a threshold from")
        top, confidence = P.argmax(axis=1), P.max(axis=1)
        overall = _quantile(confidence, accept)
        if not per_class:
            return cls(overall)
        of_class = [confidence[top == k] for k in range(P.shape[1])]
        return cls(np.array([_quantile(values, accept) if len(values) else overall for values in of_class]))

    def accept(self, probs: ArrayLike) -> NDArray[np.bool_]:
        """Which rows are accepted, (n,)."""
        P = probabilities(probs)
        threshold = np.asarray(self.threshold)
        if threshold.ndim and len(threshold) != P.shape[1]:
            raise ShapeError("threshold", threshold.shape, f"({P.shape[1]},): one for each class")
        top = P.argmax(axis=1)
        return np.asarray(P[np.arange(len(P)), top] >= (threshold[top] if threshold.ndim else threshold))


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """The risk–coverage curve, a point for each threshold, from the highest. Arrays are (points,).

    Accepting the rows with a largest probability of at least `threshold` accepts the share `coverage` of them, and
    `risk` is the mean loss of those.
    """

    threshold: Array
    coverage: Array
    risk: Array
    area: float  # AURC

    def at(self, coverage: float) -> float:
        """Risk where at least this share of rows is accepted."""
        if not 0 < coverage <= 1:
            raise SettingError("coverage", coverage, "a share of rows in (0, 1]")
        return float(self.risk[np.searchsorted(self.coverage, coverage - 1e-12)])


def risk_coverage(
    probs: ArrayLike, y: ArrayLike, *, losses: ArrayLike | None = None, sample_weight: ArrayLike | None = None
) -> RiskCoverage:
    """Risk of the rows that are accepted, by how many are.

    Parameters
    ----------
    probs : (n, K) array
    y : (n,) array of int
        Labels, as columns of `probs`.
    losses : (n,) array, optional
        What each row's answer costs, in the place of 1 for a mistake.
    sample_weight : (n,) array, optional
        Coverage and risk are by weight; 1 each by default.

    Examples
    --------
    >>> curve = risk_coverage([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]], [0, 1, 1, 1])
    >>> curve.coverage, curve.risk.round(3), round(curve.area, 3)
    (array([0.25, 0.5 , 0.75, 1.  ]), array([0.   , 0.5  , 0.333, 0.25 ]), 0.271)
    """
    P = probabilities(probs)
    codes = labels(y, *P.shape)
    if not len(P):
        raise DataError("there are no rows: a curve needs some")
    loss = (P.argmax(axis=1) != codes).astype(float) if losses is None else np.asarray(losses, float)
    if loss.shape != codes.shape:
        raise ShapeError("losses", loss.shape, f"{codes.shape}: one for each row")
    if not np.isfinite(loss).all():
        raise DataError("losses hold nan or infinite values")
    w = row_weights(sample_weight, len(P))
    some = w > 0
    thresholds, group = np.unique(-P.max(axis=1)[some], return_inverse=True)
    count, weight, total = (np.bincount(group, values) for values in (None, w[some], (w * loss)[some]))
    each = np.repeat(weight / count, count)
    risks = np.cumsum(np.repeat(total / count, count)) / np.cumsum(each)
    so_far = np.cumsum(weight)
    return RiskCoverage(-thresholds, so_far / so_far[-1], np.cumsum(total) / so_far, float(risks @ each / so_far[-1]))


def accepted_share(confidence: Array, accept: float) -> NDArray[np.bool_]:
    """Which rows are accepted where this share is: those of the largest confidence, equal ones together.

    Examples
    --------
    >>> accepted_share(np.array([0.2, 0.9, 0.5]), 0.5)
    array([False,  True,  True])
    """
    _check_share(accept)
    return confidence >= _quantile(confidence, accept) if len(confidence) else np.ones(0, bool)


def _check_share(accept: Any) -> None:
    if not 0 < number(accept) <= 1:  # nan too
        raise SettingError("accept", accept, "a share of rows in (0, 1]")


def _quantile(values: Array, share: float) -> float:
    """The largest threshold that accepts the share."""
    m = max(1, int(np.ceil(share * len(values) - 1e-9)))  # 0.07 · 100 is a little above 7
    return float(np.sort(values)[len(values) - m])
