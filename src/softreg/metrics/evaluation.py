"""measure: how good probabilities are on labelled rows. evaluate: those of a model.

Without weights, intervals are exact (Clopper & Pearson 1934) for shares of rows, which accuracy, top-k accuracy,
precision and recall are. That of the cost knows what costs there are. The rest are by the bootstrap: see
`softreg.metrics.intervals`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.errors import DataError, LabelError, SettingError, ShapeError
from softreg.metrics import peer
from softreg.metrics.chance import by_chance
from softreg.metrics.checks import labels, probabilities, row_weights, share, whole
from softreg.metrics.intervals import bootstrap, bounded_mean, clopper_pearson
from softreg.metrics.labelled import codes_of
from softreg.metrics.reliability import BINS, classwise_calibration_error
from softreg.metrics.result import ClassFigures, Evaluation, Figure
from softreg.metrics.sums import CALIBRATION, MANY, Problem, Sums, draws, figures, gaps, leave_out

if TYPE_CHECKING:
    from softreg.data import Dataset

__all__ = ["evaluate", "measure"]

Array = NDArray[np.float64]
ORDER = ("log_loss", "accuracy", "top", "balanced", "macro_f1", "brier", "calibration", "classwise", "ks", "cost")
LEAST = 100  # resamples
BY_CLASS = ("precision", "recall", "f1")


def measure(
    probs: ArrayLike,
    y: ArrayLike,
    *,
    classes: ArrayLike | None = None,
    log_probs: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    costs: ArrayLike | None = None,
    top_k: int | tuple[int, ...] | None = None,
    bins: int = BINS,
    level: float = 0.95,
    resamples: int = 1000,
    method: str = "bca",
    seed: int = 0,
) -> Evaluation:
    """Figures of probabilities on labelled rows, each with an interval.

    Parameters
    ----------
    probs : (n, K) array
        Rows that sum to 1.
    y : (n,) array of int
        Labels, as columns.
    classes : (K,) array, optional
        Names of the columns; their numbers by default.
    log_probs : (n, K) array, optional
        Logarithms of `probs`, where those know better: of what underflows, the log loss is infinite without.
    sample_weight : (n,) array, optional
        All intervals but that of the cost are by the bootstrap then: of the rows, each with its weight.
    costs : (K, A) array or CostMatrix, optional
        Of each action where each class is true: `expected_cost` is the mean of what deciding by them costs. Its
        interval allows for costs that none of the rows had to pay.
    top_k : int, or tuple of int, optional
        Whether the label is among the k likeliest; by default 5 of more than 5 classes, 2 of 3 to 5.
    bins : int
        Of the calibration errors, of one width. (The classwise one has no interval with more than 100 classes.)
    level : float
        Of the intervals.
    resamples : int
        Of the bootstrap, at least 100; 0 leaves the intervals out that need it. Where all resamples say the same there
        is none: they do not know how rare what they have not seen may be.
    method : {"bca", "percentile"}
        Of the figures that are not calibration errors: those have intervals of their own, which begin at 0 where the
        rows cannot tell the model from a calibrated one.
    seed : int

    Returns
    -------
    Evaluation

    Examples
    --------
    >>> found = measure([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.7, 0.3]], [0, 1, 1, 0], resamples=0)
    >>> found["accuracy"]
    Figure(name='accuracy', value=0.75, low=0.1941204..., high=0.9936905..., interval='exact')
    >>> found.confusion
    array([[2, 0],
           [1, 1]])
    """
    P = probabilities(probs)
    n, K = P.shape
    level, resamples, seed = share("level", level), whole("resamples", resamples, 0), whole("seed", seed, 0)
    if 0 < resamples < LEAST:
        raise SettingError("resamples", resamples, f"at least {LEAST}, or 0 for no intervals that need them")
    w = None if sample_weight is None else row_weights(sample_weight, n)
    names = np.arange(K) if classes is None else np.asarray(classes)
    if names.shape != (K,):
        raise ShapeError("classes", names.shape, f"({K},): one for each column of probs")
    if len(set(names.tolist())) < K:
        raise LabelError(f"classes are {names.tolist()}; expected different ones")
    codes = labels(y, n, K)
    if not n:
        raise DataError("there are no rows: nothing can be measured on them")
    table = None if costs is None else _table(costs, K, None if classes is None else names)
    paid = None if table is None else table[codes, (P @ table).argmin(axis=1)]
    problem = Problem(P, _logarithms(P, log_probs), codes, P.argmax(axis=1), _ks(top_k, K), bins, paid)
    sums = Sums.of(problem)
    weights = np.ones(n) if w is None else w

    now, _ = figures(sums, weights[:, None], K)
    values = {name: float(now[name][0]) for name in now} | peer.overall(problem, w)
    if K > MANY:
        values["classwise_calibration_error"] = classwise_calibration_error(P, codes, bins=bins, sample_weight=weights)
    classwise = peer.by_class(problem, w)
    with np.errstate(over="ignore", invalid="ignore"):  # of losses near 1e308, which have no interval then
        ends = _resampled(sums, weights, K, values, classwise, resamples, level, method, seed)
    for name, chance in by_chance(problem, sums, weights, resamples, level, seed).items():
        if name in ends and values[name] <= chance:
            ends[name] = 0.0, *ends[name][1:]
    if w is None:
        for name in ("accuracy", *(f"top_{k}_accuracy" for k in problem.top_k)):
            low, high = clopper_pearson(round(values[name] * n), n, level)
            ends[name] = float(low), float(high), "exact"
    if table is not None and paid is not None:
        ends["cost"] = *bounded_mean(paid, table.min(), table.max(), level, seed, w), "bounded"
    order = sorted(values, key=lambda name: [name.startswith(first) for first in ORDER].index(True))
    found = [Figure("expected_cost" if name == "cost" else name, values[name], *ends[name]) for name in order]
    return Evaluation(
        tuple(found), _of_classes(problem, w, names, classwise, ends, level), n, float(weights.sum()), level
    )


def evaluate(model: Any, data: Dataset, **settings: Any) -> Evaluation:
    """Figures of a model on a Dataset, each with an interval.

    Parameters
    ----------
    model : Model
    data : Dataset
        Labelled rows. Of the model's classes it may lack some, or have them in another order; its weights count.
    **settings
        Those of `measure`: costs, top_k, bins, level, resamples, method, seed.

    Raises
    ------
    ShapeError
        Where the features are not as many as the model's.
    LabelError
        Where rows have classes that the model has not.
    DataError
        Without rows, or where the rows have probabilities for labels.

    Examples
    --------
    >>> from softreg import Dataset, Settings, fit
    >>> data = Dataset.from_labels([[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"])
    >>> model, _ = fit(data, Settings("auto", C=1.0))
    >>> evaluate(model, data, resamples=0)["accuracy"].value
    1.0
    """
    if data.targets is not None:
        raise DataError("the rows have probabilities for labels: these figures need labels")
    codes = codes_of(data, model.classes)
    log_probs = model.predict_log_proba(data.X, data.offset)
    return measure(
        np.exp(log_probs), codes, classes=model.classes, log_probs=log_probs, sample_weight=data.weights, **settings
    )


def _logarithms(P: Array, log_probs: ArrayLike | None) -> Array:
    if log_probs is None:
        with np.errstate(divide="ignore"):
            return np.log(P)
    logs = np.asarray(log_probs, float)
    if logs.shape != P.shape:
        raise ShapeError("log_probs", logs.shape, f"{P.shape}, as probs")
    return logs


def _ks(top_k: int | tuple[int, ...] | None, K: int) -> tuple[int, ...]:
    if top_k is None:
        return (5,) if K > 5 else (2,) if K > 2 else ()
    asked = tuple(whole("top_k", k) for k in (top_k if isinstance(top_k, tuple) else (top_k,)))
    if asked and max(asked) > K:
        raise SettingError("top_k", top_k, f"at most {K}, the number of classes")
    return asked


def _table(costs: Any, K: int, classes: NDArray[Any] | None) -> Array:
    """Return costs of each class and action, (K, A); those with names of classes must have these."""
    own = getattr(costs, "classes", None)
    if own is not None and classes is not None and not np.array_equal(own, classes):
        raise DataError(f"the costs are for the classes {np.asarray(own).tolist()}; expected {classes.tolist()}")
    if isinstance(costs, (str, Mapping)) or hasattr(costs, "columns"):
        raise DataError(
            f"costs is a {type(costs).__name__}; expected an array or a CostMatrix, which "
            "softreg.decision.CostMatrix.from_table makes of a table with names"
        )
    table = np.asarray(costs, float)
    if table.ndim != 2 or len(table) != K or not table.shape[1]:
        raise ShapeError("costs", table.shape, f"({K}, actions): a row for each class")
    if not np.isfinite(table).all():
        raise DataError("costs hold nan or infinite values; expected finite numbers")
    return table


Ends = dict[str, tuple[Any, Any, str]]


def _resampled(
    sums: Sums,
    w: Array,
    K: int,
    values: dict[str, float],
    classwise: dict[str, Array],
    resamples: int,
    level: float,
    method: str,
    seed: int,
) -> Ends:
    """Ends of the intervals by the bootstrap, of every figure."""
    if not resamples:
        nothing = np.full(K, np.nan)
        none: Ends = dict.fromkeys(values, (np.nan, np.nan, "none"))
        return none | dict.fromkeys(BY_CLASS, (nothing, nothing, "none"))
    centre = gaps(sums, w)
    drawn = [_both(sums, counts * w[:, None], K, centre) for counts in draws(len(w), resamples, seed)]
    left = _both(sums, leave_out(w, seed), K, None)
    ends: Ends = {name: (np.nan, np.nan, "none") for name in values if name not in left}
    for name in left:
        every = np.concatenate([block[name] for block in drawn], axis=1)
        if name in CALIBRATION:
            off = float(np.quantile(every, level))
            ends[name] = max(values[name] - off, 0.0), min(values[name] + off, 1.0), "norm"
            continue
        of = classwise[name] if name in BY_CLASS else np.array([values[name]])
        low, high = bootstrap(of, every, left[name], level, method)
        if name in BY_CLASS:
            ends[name] = low, high, method
        else:
            ends[name] = float(low[0]), float(high[0]), "none" if np.isnan(low[0]) else method
    return ends


def _both(sums: Sums, C: Array, K: int, centre: dict[str, Array] | None) -> dict[str, Array]:
    """Figures of all rows, (1, B) each, and of each class, (K, B) each."""
    overall, by_class = figures(sums, C, K, centre)
    return {name: values[None] for name, values in overall.items()} | by_class


def _of_classes(
    problem: Problem, w: Array | None, names: NDArray[Any], values: dict[str, Array], ends: Ends, level: float
) -> ClassFigures:
    confusion = peer.confusion(problem, w)
    if w is None:
        right = np.diagonal(confusion)
        for name, of in (("precision", confusion.sum(axis=0)), ("recall", confusion.sum(axis=1))):
            low, high = clopper_pearson(right, of, level)
            ends[name] = np.where(of > 0, low, np.nan), np.where(of > 0, high, np.nan), "exact"
    parts = {name: (values[name], ends[name][0], ends[name][1]) for name in BY_CLASS}
    return ClassFigures(names, confusion, **parts, intervals=tuple(ends[name][2] for name in BY_CLASS))
