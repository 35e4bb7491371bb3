"""The action of least expected cost (Berger 1985, section 4.4: the conditional Bayes action).

    expected_ia = Σ_k p_ik costs_ka          action_i = argmin_a expected_ia

    probs (n, K)   costs (K, A): of action a where the class is k

Actions need not be the classes: "operate", "wait", "ask a colleague". Costs 1 − [k = a] make it the most likely class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.decision.tables import is_named_table, named_numbers, no_twice
from softreg.errors import DataError, ShapeError
from softreg.metrics.checks import probabilities

__all__ = ["CostMatrix", "cost_array", "least_cost"]

Array = NDArray[np.float64]
REJECT = "reject"


@dataclass(frozen=True, eq=False)
class CostMatrix:
    """Costs with the names of their rows and columns.

    Attributes
    ----------
    costs : (K, A) float64
        Of each action where each class is the true one. Negative ones are gains.
    classes : (K,) array
        True classes, in the order of a model's.
    actions : tuple of str
        Names of the columns.

    Examples
    --------
    >>> table = {"ill": {"treat": 1, "wait": 50}, "well": {"treat": 5, "wait": 0}}
    >>> costs = CostMatrix.from_table(table, classes=["ill", "well"])
    >>> least_cost([[0.05, 0.95], [0.5, 0.5]], costs), costs.actions
    (array([1, 0]), ('treat', 'wait'))
    """

    costs: Array
    classes: NDArray[Any]
    actions: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", np.asarray(self.classes))
        object.__setattr__(self, "costs", cost_array(self.costs, len(self.classes)))
        object.__setattr__(self, "actions", tuple(map(str, self.actions)))
        if len(self.actions) != self.costs.shape[1]:
            raise ShapeError("actions", (len(self.actions),), f"({self.costs.shape[1]},): a name for each column")
        no_twice("actions", self.actions)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.costs, dtype=dtype, copy=copy)

    @classmethod
    def from_table(cls, table: Any, classes: ArrayLike) -> CostMatrix:
        """Read costs from a table with names.

        Parameters
        ----------
        table : path of a CSV file, mapping of mappings, or DataFrame
            The file's first line has the names of the actions, after a cell that is not read; each line after it a true
            class and the costs of the actions. Cells are parted by commas, semicolons or tabs. A mapping has
            {class: {action: cost}}. A DataFrame has the actions for columns, and the classes in its index, where that
            has names, or else in its first column.
        classes : (K,) array
            The model's, each of which must be there once: its name is its text.

        Raises
        ------
        LabelError
            Where a class is missing, unknown or there twice: the message names what is near.
        DataError
            Where a cost is missing, no number, nan or infinite.
        OSError
            Where the file cannot be read.
        """
        known = np.asarray(classes)
        costs, actions = named_numbers(table, [str(name) for name in known.tolist()])
        return cls(costs, known, tuple(actions))

    @classmethod
    def of_mistakes(cls, classes: ArrayLike, cost: float = 1.0) -> CostMatrix:
        """Costs of mistakes that are all the same: the actions are the classes.

        Examples
        --------
        >>> CostMatrix.of_mistakes(["a", "b"]).costs
        array([[0., 1.],
               [1., 0.]])
        """
        known = np.asarray(classes)
        return cls(cost * (1 - np.eye(len(known))), known, tuple(map(str, known.tolist())))

    def with_reject(self, cost: float, name: str = REJECT) -> CostMatrix:
        """Return the same with one action more, last, of the same cost whatever the class.

        Examples
        --------
        >>> CostMatrix.of_mistakes(["a", "b"]).with_reject(0.3).costs
        array([[0. , 1. , 0.3],
               [1. , 0. , 0.3]])
        """
        costs = np.hstack([self.costs, np.full((len(self.costs), 1), cost)])
        return CostMatrix(costs, self.classes, (*self.actions, name))


def cost_array(costs: Any, K: int) -> Array:
    """Return costs as (K, A) float64.

    Raises
    ------
    ShapeError, DataError
        Where they have another shape, or are nan or infinite.
    """
    if isinstance(costs, Mapping) or is_named_table(costs):
        raise DataError("costs have names, which would be lost: CostMatrix.from_table(costs, classes) reads them")
    array = np.asarray(costs)
    if array.dtype.kind not in "biuf":
        raise DataError(f"costs have dtype {array.dtype}; expected numbers: CostMatrix.from_table reads named tables")
    if array.ndim != 2 or len(array) != K or not array.shape[1]:
        raise ShapeError("costs", array.shape, f"({K}, actions): a row for each class, a column for each action")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        k, a = bad[0]
        raise DataError(f"costs hold {array[k, a]} for action {a} where the class is {k}; expected finite numbers")
    return array.astype(float)


@overload
def least_cost(
    probs: ArrayLike, costs: ArrayLike | CostMatrix, *, return_costs: Literal[False] = False
) -> NDArray[np.intp]: ...
@overload
def least_cost(
    probs: ArrayLike, costs: ArrayLike | CostMatrix, *, return_costs: Literal[True]
) -> tuple[NDArray[np.intp], Array]: ...
def least_cost(
    probs: ArrayLike, costs: ArrayLike | CostMatrix, *, return_costs: bool = False
) -> NDArray[np.intp] | tuple[NDArray[np.intp], Array]:
    """Action of least expected cost for each row; of equal ones the first.

    Parameters
    ----------
    probs : (n, K) array
        Rows that sum to 1.
    costs : (K, A) array, or CostMatrix
        Of each action where each class is the true one.
    return_costs : bool
        Whether to return the expected costs of all actions too.

    Returns
    -------
    actions : (n,) array of int
        Columns of `costs`.
    expected : (n, A) array
        Where asked for.

    Raises
    ------
    ShapeError, DataError
        Where rows are not probabilities, or costs have another shape or are not finite.

    Examples
    --------
    A mistake of the first kind is ten times as dear as one of the second:

    >>> least_cost([[0.2, 0.8], [0.05, 0.95]], [[0, 10], [1, 0]])
    array([0, 1])
    >>> least_cost([[0.2, 0.8]], [[0, 10], [1, 0]], return_costs=True)
    (array([0]), array([[0.8, 2. ]]))
    """
    P = probabilities(probs)
    expected = P @ cost_array(costs, P.shape[1])
    actions = expected.argmin(axis=1)
    return (actions, expected) if return_costs else actions
