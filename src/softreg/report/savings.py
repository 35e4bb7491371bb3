"""What deciding by costs saves against the action of the likeliest class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from softreg.decision import CostMatrix, least_cost
from softreg.metrics.intervals import bounded_mean
from softreg.report.figures import Action, Savings

__all__ = ["savings"]

Array = NDArray[np.float64]
LEVEL = 0.95


def savings(costs: CostMatrix, probs: Array, y: NDArray[np.intp], weights: Array | None, seed: int) -> Savings:
    """Compare the two ways to decide on labelled rows.

    The action of the likeliest class is the one of its name, where every class has one, else the cheapest for it. The
    interval is of the mean saving and knows what could be saved or lost by a row: `bounded_mean`.

    Examples
    --------
    >>> table = {"ill": {"treat": 1, "wait": 50}, "well": {"treat": 5, "wait": 0}}
    >>> costs = CostMatrix.from_table(table, ["ill", "well"])
    >>> found = savings(costs, np.array([[0.2, 0.8], [0.01, 0.99]]), np.array([0, 1]), None, 0)
    >>> found.changed, found.cost_likeliest, found.cost_least, found.saved
    (1, 25.0, 0.5, 24.5)
    """
    names = [str(label) for label in costs.classes.tolist()]
    own = costs.costs.argmin(axis=1)
    if set(names) <= set(costs.actions):
        own = np.array([costs.actions.index(name) for name in names])
    likeliest, least = own[probs.argmax(axis=1)], least_cost(probs, costs)
    w = np.ones(len(y)) if weights is None else weights
    before, after = costs.costs[y, likeliest], costs.costs[y, least]
    saved = float(w @ (before - after) / w.sum())
    gains = costs.costs[:, own][:, :, None] - costs.costs[:, None, :]  # of a class: one action less another
    low, high = bounded_mean(before - after, float(gains.min()), float(gains.max()), LEVEL, seed, w)
    A = len(costs.actions)
    counts = [np.bincount(actions, minlength=A).tolist() for actions in (likeliest, least)]
    return Savings(
        costs.actions,
        costs.costs,
        tuple(Action(name, *both) for name, *both in zip(costs.actions, *counts, strict=True)),
        len(y),
        int(np.count_nonzero(likeliest != least)),
        float(w @ before / w.sum()),
        float(w @ after / w.sum()),
        saved,
        low,
        high,
        LEVEL,
    )
