"""Whether probabilities are as frequent as they say: calibration errors, the Brier score, the reliability diagram.

The rows (w_i) are judged by their largest probability c_i, and by whether it was right, h_i. In bins B of c,

    ECE = Σ_B w_B/w |c̄_B − h̄_B|              (Naeini, Cooper & Hauskrecht 2015; Guo et al. 2017), in (l, u] of one width
                                              or, by mass, of one number of rows
    classwise = 1/K Σ_k the same of p_ik and [y_i = k]                          (Kull et al. 2019)
    KS = max_t |Σ_{c_i ≤ t} w_i (c_i − h_i)| / w                                (Gupta et al. 2021: no bins)

    Brier = 1/w Σ_i w_i Σ_k (p_ik − [y_i = k])²   = reliability − resolution + uncertainty + within    (Murphy 1973)

    reliability = Σ_k Σ_B w_B/w (p̄_B − ō_B)²     resolution = Σ_k Σ_B w_B/w (ō_B − ō)²    uncertainty = Σ_k ō (1 − ō)

with ō the share of class k, in a bin or in all; `within` is what the bins lose of p's spread (Stephenson, Coelho &
Jolliffe 2008), and 0 where a bin's probabilities are all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.errors import SettingError
from softreg.metrics.checks import labels, probabilities, row_weights, whole
from softreg.metrics.intervals import clopper_pearson
from softreg.metrics.plain import plain

__all__ = [
    "Brier",
    "Reliability",
    "bins_of",
    "brier",
    "calibration_error",
    "classwise_calibration_error",
    "confidences",
    "ks_calibration_error",
    "reliability",
]

Array = NDArray[np.float64]
BINS = 15  # as in Guo et al. 2017


@dataclass(frozen=True, eq=False)
class Reliability:
    """The reliability diagram: bins that have rows, in the order of their probabilities. Arrays are (bins,).

    A calibrated model has confidence = accuracy in each, but for chance: `low` and `high` are the interval of the
    accuracy, exact where the rows have no weights and nan where they do.
    """

    lower: Array  # ends of the bins
    upper: Array
    confidence: Array  # mean of the probabilities
    accuracy: Array  # how often they were right
    low: Array
    high: Array
    count: NDArray[Any]  # rows
    weight: Array
    error: float  # ECE

    def as_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, as for JSON; None for nan."""
        return {name: plain(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Brier:
    """The Brier score and its parts: score = reliability − resolution + uncertainty + within."""

    score: float  # 0 to 2
    reliability: float  # less is better: 0 is calibrated
    resolution: float  # more is better
    uncertainty: float  # of the labels, whatever the model
    within: float  # lost in the bins


def bins_of(values: Array, bins: int = BINS, binning: str = "width") -> tuple[NDArray[np.intp], Array]:
    """Number of each value's bin in [0, 1], and the ends of the bins.

    Bins are (l, u]. Those of one mass end where a further n/bins values do; equal values are never parted, so that
    there may be fewer.

    Examples
    --------
    >>> bins_of(np.array([0.1, 0.2, 0.5, 1.0]), 2)
    (array([0, 0, 0, 1]), array([0. , 0.5, 1. ]))
    >>> bins_of(np.array([0.1, 0.2, 0.5, 1.0]), 2, "mass")
    (array([0, 0, 1, 1]), array([0. , 0.2, 1. ]))
    """
    bins = whole("bins", bins)
    if binning == "width":
        edges = np.linspace(0.0, 1.0, bins + 1)
    elif binning == "mass":
        ends = np.sort(values)[np.arange(1, bins) * len(values) // bins - 1] if len(values) >= bins else np.sort(values)
        edges = np.unique(np.concatenate([[0.0], ends, [1.0]]))
    else:
        raise SettingError("binning", binning, "'width' or 'mass'")
    return np.clip(np.searchsorted(edges, values, side="left") - 1, 0, len(edges) - 2), edges


def reliability(
    probs: ArrayLike,
    y: ArrayLike,
    *,
    bins: int = BINS,
    binning: str = "width",
    label: int | None = None,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
) -> Reliability:
    """Data of the reliability diagram: of the most likely class, or of one.

    Parameters
    ----------
    probs : (n, K) array
        Rows that sum to 1.
    y : (n,) array of int
        Labels, as columns of `probs`.
    bins : int
    binning : {"width", "mass"}
        Of one width, or of as many rows each, whatever their weights.
    label : int, optional
        Judge this class's probability in every row, in the place of the largest one.
    sample_weight : (n,) array, optional
    level : float
        Of the intervals.

    Examples
    --------
    >>> found = reliability([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.7, 0.3]], [0, 1, 1, 0], bins=2)
    >>> found.confidence, found.accuracy, round(found.error, 3)
    (array([0.75]), array([0.75]), 0.0)
    """
    P, codes, w = _checked(probs, y, sample_weight)
    if label is None:
        values, hit = _top(P, codes)
    else:
        (label,) = labels([label], 1, P.shape[1], "label")
        values, hit = P[:, label], (codes == label).astype(float)
    index, edges = bins_of(values, bins, binning)
    m = len(edges) - 1
    count: NDArray[Any] = np.bincount(index, minlength=m)
    weight = np.asarray(np.bincount(index, w, m), float)
    has = weight > 0
    confidence, accuracy = (np.bincount(index, w * v, m)[has] / weight[has] for v in (values, hit))
    if sample_weight is None:
        low, high = clopper_pearson(np.bincount(index, hit, m)[has], count[has], level)
    else:
        low = high = np.full(int(has.sum()), np.nan)
    error = float(np.abs(confidence - accuracy) @ weight[has] / w.sum())
    return Reliability(edges[:-1][has], edges[1:][has], confidence, accuracy, low, high, count[has], weight[has], error)


def calibration_error(
    probs: ArrayLike,
    y: ArrayLike,
    *,
    bins: int = BINS,
    binning: str = "width",
    sample_weight: ArrayLike | None = None,
) -> float:
    """Expected calibration error of the most likely class, in bins. Parameters are those of `reliability`.

    It is biased upwards: of a perfectly calibrated model it is above 0, by chance, and the more so the more bins.

    Examples
    --------
    >>> round(calibration_error([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.7, 0.3]], [0, 1, 1, 0]), 3)
    0.4
    """
    return reliability(probs, y, bins=bins, binning=binning, sample_weight=sample_weight).error


def classwise_calibration_error(
    probs: ArrayLike,
    y: ArrayLike,
    *,
    bins: int = BINS,
    binning: str = "width",
    sample_weight: ArrayLike | None = None,
) -> float:
    """Mean over the classes of the calibration error of each one's probability.

    Examples
    --------
    >>> round(classwise_calibration_error([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.7, 0.3]], [0, 1, 1, 0]), 3)
    0.4
    """
    P, codes, w = _checked(probs, y, sample_weight)
    errors = []
    for k in range(P.shape[1]):
        index, _ = bins_of(P[:, k], bins, binning)
        errors.append(np.abs(np.bincount(index, w * (P[:, k] - (codes == k)))).sum() / w.sum())
    return float(np.mean(errors))


def ks_calibration_error(probs: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Calibration error of the most likely class without bins: the largest sum of what it is off, up to any confidence.

    The distance of Kolmogorov and Smirnov between the confidences and the share that is right (Gupta et al. 2021,
    "Calibration of neural networks using splines", equation 6).

    Examples
    --------
    >>> round(ks_calibration_error([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.7, 0.3]], [0, 1, 1, 0]), 3)
    0.175
    """
    confidence, hit, w = confidences(probs, y, sample_weight)
    order = np.argsort(confidence, kind="stable")
    sums = np.cumsum((w * (confidence - hit))[order])
    sums = sums[np.append(np.diff(confidence[order]) > 0, True)]  # equal ones come together
    return float(np.abs(sums).max() / w.sum())


def brier(
    probs: ArrayLike,
    y: ArrayLike,
    *,
    bins: int = BINS,
    binning: str = "width",
    sample_weight: ArrayLike | None = None,
) -> Brier:
    """Brier score, and how much of it is calibration, discrimination and chance. Parameters as of `reliability`.

    Examples
    --------
    >>> found = brier([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.7, 0.3]], [0, 1, 1, 0])
    >>> round(found.score, 3), round(found.uncertainty, 3)
    (0.45, 0.5)
    """
    P, codes, w = _checked(probs, y, sample_weight)
    w = w / w.sum()
    hit = codes[:, None] == np.arange(P.shape[1])
    score = float(w @ ((P - hit) ** 2).sum(axis=1))
    reliable = resolved = uncertain = 0.0
    for p, o in zip(P.T, hit.T, strict=True):
        index, _ = bins_of(p, bins, binning)
        weight, mean = np.bincount(index, w), float(w @ o)
        at = weight > 0
        p_bin, o_bin = (np.bincount(index, w * v)[at] / weight[at] for v in (p, o))
        reliable += float(weight[at] @ (p_bin - o_bin) ** 2)
        resolved += float(weight[at] @ (o_bin - mean) ** 2)
        uncertain += mean * (1 - mean)
    return Brier(score, reliable, resolved, uncertain, score - (reliable - resolved + uncertain))


def confidences(probs: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> tuple[Array, Array, Array]:
    """Return each row's largest probability, whether it was right, and the row's weight, (n,) each.

    Examples
    --------
    >>> confidences([[0.9, 0.1], [0.4, 0.6]], [0, 0], None)
    (array([0.9, 0.6]), array([1., 0.]), array([1., 1.]))
    """
    P, codes, w = _checked(probs, y, sample_weight)
    return *_top(P, codes), w


def _checked(probs: ArrayLike, y: ArrayLike, w: ArrayLike | None) -> tuple[Array, NDArray[np.intp], Array]:
    P = probabilities(probs)
    return P, labels(y, *P.shape), row_weights(w, len(P))


def _top(P: Array, y: NDArray[np.intp]) -> tuple[Array, Array]:
    top = P.argmax(axis=1)
    return P[np.arange(len(P)), top], (top == y).astype(float)
