"""What decisions come to on labelled rows: how many were accepted, and what the actions cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.errors import DataError
from softreg.metrics.checks import labels, row_weights
from softreg.metrics.intervals import bounded_mean, clopper_pearson, effective
from softreg.metrics.plain import plain

__all__ = ["Outcome", "outcome"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Outcome:
    """Shares and means are by weight, where rows have some, and intervals those of as many rows as they are worth.

    Attributes
    ----------
    n_rows : int
    weighted : bool
    actions : tuple of str
    counts : (K, A) array of int
        Rows by their true class and what was decided.
    accepted, accepted_low, accepted_high : float
        Share of rows that were not rejected, with its exact interval.
    cost, low, high : float
        Mean of what was paid, a mistake being 1 where there are no costs; with an interval that knows what could have
        been paid (`softreg.metrics.intervals`). nan where all rows were rejected at no price.
    of_accepted : bool
        Whether that is of the accepted rows alone, since a rejection has no price.
    """

    n_rows: int
    weighted: bool
    actions: tuple[str, ...]
    counts: NDArray[np.int64]
    accepted: float
    accepted_low: float
    accepted_high: float
    cost: float
    low: float
    high: float
    of_accepted: bool

    def as_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, as for JSON; None for nan."""
        return {name: list(value) if name == "actions" else plain(value) for name, value in vars(self).items()}


def outcome(
    action: NDArray[np.intp],
    actions: tuple[str, ...],
    accepted: NDArray[np.bool_],
    paid: Array,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Outcome:
    """Judge actions by the labels.

    Parameters
    ----------
    action : (n,) array of int
    actions : tuple of A names
    accepted : (n,) array of bool
    paid : (K, A) array
        What each action costs where each class is true; nan for a rejection without a price.
    y : (n,) array of int
        Labels, as rows of `paid`.
    sample_weight : (n,) array, optional
    level, seed : float, int
        Of the intervals.

    Examples
    --------
    >>> found = outcome(np.array([0, 1, 2]), ("a", "b", "reject"), np.array([True, True, False]),
    ...                 np.array([[0.0, 1.0, np.nan], [1.0, 0.0, np.nan]]), [0, 0, 1])
    >>> found.cost, round(found.accepted, 3), found.of_accepted
    (0.5, 0.667, True)
    """
    K, A = paid.shape
    codes = labels(y, len(action), K)
    if not len(codes):
        raise DataError("there are no rows: nothing can be said of what was decided")
    w = row_weights(sample_weight, len(codes))
    cost = paid[codes, action]
    known = ~np.isnan(cost) & (w > 0)
    counts = np.zeros((K, A), np.int64)
    np.add.at(counts, (codes, action), 1)
    mean = float(np.average(cost[known], weights=w[known])) if known.any() else np.nan
    low = high = np.nan
    if known.any():
        ends = float(np.nanmin(paid)), float(np.nanmax(paid))
        low, high = bounded_mean(cost[known], *ends, level, seed, w[known])
    worth = effective(w)
    share_low, share_high = map(float, clopper_pearson(w @ accepted * (worth / w.sum()), worth, level))
    return Outcome(
        len(codes),
        sample_weight is not None,
        actions,
        counts,
        float(np.average(accepted, weights=w)),
        share_low,
        share_high,
        mean,
        low,
        high,
        of_accepted=bool(np.isnan(paid).any()),
    )
