"""What to do with each row: the rules of this package in one call."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.decision.conformal import SplitConformal
from softreg.decision.costs import REJECT, CostMatrix, cost_array, least_cost
from softreg.decision.outcome import Outcome, outcome
from softreg.decision.rejection import Rejection, accepted_share
from softreg.decision.tables import is_named_table
from softreg.errors import DataError, SettingError, ShapeError
from softreg.metrics.checks import number, probabilities

__all__ = ["Decisions", "decide", "named_costs"]

Array = NDArray[np.float64]
SHOWN = 4  # actions in a repr


@dataclass(frozen=True, eq=False, repr=False)
class Decisions:
    """What was decided for n rows.

    Attributes
    ----------
    action : (n,) array of int
        Places in `actions`.
    actions : (A,) array
        Names of the actions: the classes in their type, or text. "reject" is the last, where rows may be rejected;
        beside classes that are numbers it makes an array of objects.
    accepted : (n,) array of bool
        Whether a row was not rejected.
    cost : (n,) float64
        Expected cost of what was decided: by the costs, or the probability of a mistake. Of a row that was rejected at
        no price, nan.
    probs : (n, K) float64
    classes : (K,) array
    sets : (n, K) array of bool, optional
        Prediction sets.
    paid : (K, A) float64
        What each action costs where each class is true: a mistake 1 without costs; nan of a rejection without a price.
    """

    action: NDArray[np.intp]
    actions: NDArray[Any]
    accepted: NDArray[np.bool_]
    cost: Array
    probs: Array
    classes: NDArray[Any]
    sets: NDArray[np.bool_] | None
    paid: Array

    def judged(
        self, y: ArrayLike, *, sample_weight: ArrayLike | None = None, level: float = 0.95, seed: int = 0
    ) -> Outcome:
        """Return what the decisions come to where these are the true classes: (n,) array of int, places in `classes`.

        Examples
        --------
        >>> decisions = decide([[0.9, 0.1], [0.55, 0.45], [0.2, 0.8]], ["cat", "dog"], reject=0.3)
        >>> found = decisions.judged([0, 1, 0])
        >>> round(found.accepted, 3), round(found.cost, 3)
        (0.667, 0.433)
        """
        names = tuple(map(str, self.actions.tolist()))
        how: dict[str, Any] = {"sample_weight": sample_weight, "level": level, "seed": seed}
        return outcome(self.action, names, self.accepted, self.paid, y, **how)

    @property
    def names(self) -> NDArray[Any]:
        """The action of each row by its name, (n,)."""
        return self.actions[self.action]

    @property
    def n_rows(self) -> int:
        """Rows that were decided on."""
        return len(self.action)

    def __repr__(self) -> str:
        counts = np.bincount(self.action, minlength=len(self.actions))
        parts = [f"{counts[a]} {self.actions[a]}" for a in range(min(len(counts), SHOWN))]
        return f"Decisions({self.n_rows} rows: {', '.join(parts)}{', …' if len(counts) > SHOWN else ''})"


def decide(
    probs: ArrayLike,
    classes: ArrayLike,
    *,
    costs: Any = None,
    reject: float | None = None,
    accept: float | Rejection | None = None,
    sets: float | None = None,
    conformal: SplitConformal | None = None,
) -> Decisions:
    """Decide what to do with each row: the action of least expected cost, or none.

    Parameters
    ----------
    probs : (n, K) array
        Rows that sum to 1.
    classes : (K,) array
        What the columns are.
    costs : CostMatrix, (K, A) array, path of a CSV file, mapping, or DataFrame, optional
        Of each action where each class is true; see `CostMatrix.from_table`. The columns of an array without names are
        the classes where there are as many, else numbers. By default every mistake costs 1.
    reject : float, optional
        What a rejection costs, in the units of the costs: it is one more action (Chow 1970).
    accept : float or Rejection, optional
        The share of these rows to accept, in (0, 1]: those of the least expected cost, which is to say of the largest
        probability where every mistake costs the same. Or a rule that was learned from other rows.
    sets : float, optional
        Coverage of prediction sets to return as well; `conformal` has the held-out scores.
    conformal : SplitConformal, optional

    Raises
    ------
    SettingError
        Where both `reject` and `accept` are given.
    DataError
        Where sets are asked for and there are no held-out scores; or as `CostMatrix` raises.

    Examples
    --------
    >>> probs = [[0.9, 0.1], [0.55, 0.45], [0.2, 0.8]]
    >>> decide(probs, ["cat", "dog"], reject=0.3).names
    array(['cat', 'reject', 'dog'], dtype='<U6')
    >>> decide(probs, ["cat", "dog"], costs=[[0, 1], [20, 0]]).names
    array(['dog', 'dog', 'dog'], dtype='<U3')
    """
    if reject is not None and accept is not None:
        raise SettingError("accept", accept, "None with reject: one of the two decides what is rejected")
    P, known = probabilities(probs), np.asarray(classes)
    if known.shape != (P.shape[1],):
        raise ShapeError("classes", known.shape, f"({P.shape[1]},): one for each column of probs")
    matrix, names = (CostMatrix.of_mistakes(known), known) if costs is None else named_costs(costs, known)
    paid = matrix.costs
    if reject is not None:
        _check_price(reject, costs is not None)
        matrix = matrix.with_reject(reject, _free(names))
        paid, names = matrix.costs, _with(names, matrix.actions[-1])
    if costs is None and reject is None:
        action = P.argmax(axis=1)
        cost = 1 - P[np.arange(len(P)), action]
    else:
        action, expected = least_cost(P, matrix, return_costs=True)
        cost = expected[np.arange(len(P)), action]
    accepted = np.ones(len(P), bool)
    if reject is not None:
        accepted = action < len(names) - 1
    elif accept is not None:
        accepted = accept.accept(P) if isinstance(accept, Rejection) else accepted_share(-cost, accept)
        names = _with(names, _free(names))
        paid = np.hstack([paid, np.full((len(paid), 1), np.nan)])
        action, cost = np.where(accepted, action, len(names) - 1), np.where(accepted, cost, np.nan)
    return Decisions(action, names, accepted, cost, P, known, _sets(P, sets, conformal), paid)


def named_costs(costs: Any, classes: NDArray[Any]) -> tuple[CostMatrix, NDArray[Any]]:
    """Return costs in any form that `decide` takes them in, and the actions' names, which may be classes in their type.

    Raises
    ------
    ShapeError, DataError, LabelError
        As `CostMatrix.from_table` does, or where a CostMatrix is for other classes.
    """
    if isinstance(costs, (str, os.PathLike, Mapping)) or is_named_table(costs):
        costs = CostMatrix.from_table(costs, classes)
    if isinstance(costs, CostMatrix):
        if not np.array_equal(costs.classes, classes):
            raise DataError(f"the costs are for the classes {costs.classes.tolist()}; expected {classes.tolist()}")
        return costs, np.array(costs.actions)
    array = cost_array(costs, len(classes))
    names = classes if array.shape[1] == len(classes) else np.arange(array.shape[1])
    return CostMatrix(array, classes, tuple(map(str, names.tolist()))), names


def _with(names: NDArray[Any], more: str) -> NDArray[Any]:
    """Return names with another, each in its type."""
    if names.dtype.kind == "U":
        return np.append(names, more)
    every = np.empty(len(names) + 1, object)
    every[:-1], every[-1] = names.tolist(), more
    return every


def _check_price(reject: Any, with_costs: bool) -> None:
    price = number(reject)
    if not (math.isfinite(price) and (with_costs or 0 <= price <= 1)):
        wanted = "a finite number" if with_costs else "a number from 0 to 1, in units of the cost of a mistake"
        raise SettingError("reject", reject, wanted)


def _free(names: NDArray[Any]) -> str:
    """A name for rejection that no action has."""
    name, taken = REJECT, set(map(str, names.tolist()))
    while name in taken:
        name = f"({name})"
    return name


def _sets(P: Array, coverage: float | None, conformal: SplitConformal | None) -> NDArray[np.bool_] | None:
    if coverage is None:
        return None
    if conformal is None:
        raise DataError(
            "sets need the scores of held-out rows, which this model has not: softreg.decision.calibrate(model, data, "
            "sets='lac') returns one that has"
        )
    return conformal.predict(P, coverage=coverage)
