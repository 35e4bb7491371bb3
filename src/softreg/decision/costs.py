"""The action of least expected cost (Berger 1985, section 4.4: the conditional Bayes action).

    expected_ia = Σ_k p_ik costs_ka          action_i = argmin_a expected_ia

    probs (n, K)   costs (K, A): of action a where the class is k

Actions need not be the classes: "operate", "wait", "ask a colleague". Costs 1 − [k = a] make it the most likely class.
"""

from __future__ import annotations

import csv
import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.errors import DataError, LabelError, ShapeError
from softreg.metrics.checks import probabilities

__all__ = ["CostMatrix", "cost_array", "least_cost", "match_names", "read_cells"]

Array = NDArray[np.float64]
REJECT = "reject"
DELIMITERS = ",;\t"
SHOWN = 8  # names in a message


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
        _no_twice("actions", self.actions)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.costs, dtype=dtype, copy=copy)

    @classmethod
    def from_table(cls, table: Any, classes: ArrayLike) -> CostMatrix:
        """Read costs from a table with names.

        Parameters
        ----------
        table : path of a CSV file, or mapping of mappings
            The file's first line has the names of the actions, after a cell that is not read; each line after it a true
            class and the costs of the actions. Cells are parted by commas, semicolons or tabs. A mapping has
            {class: {action: cost}}.
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
        if isinstance(table, Mapping):
            rows, actions = _of_mapping(table)
            where = "the table of costs"
        else:
            where = os.fspath(table)
            rows, actions = _of_file(Path(where))
        known = np.asarray(classes)
        names = [str(name) for name in known.tolist()]
        match_names(where, [name for name, _ in rows], names)
        by_name = dict(rows)
        costs = np.array([[_number(where, name, a, by_name[name].get(a)) for a in actions] for name in names])
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


def cost_array(costs: ArrayLike, K: int) -> Array:
    """Return costs as (K, A) float64.

    Raises
    ------
    ShapeError, DataError
        Where they have another shape, or are nan or infinite.
    """
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


def _of_mapping(table: Mapping[Any, Any]) -> tuple[list[tuple[str, Mapping[str, Any]]], list[str]]:
    actions: list[str] = []
    rows: list[tuple[str, Mapping[str, Any]]] = []
    for label, costs in table.items():
        if not isinstance(costs, Mapping):
            raise DataError(f"the table of costs has {costs!r} for class {label!r}; expected {{action: cost, …}}")
        row = {str(action): cost for action, cost in costs.items()}
        actions += [action for action in row if action not in actions]
        rows.append((str(label), row))
    if not actions:
        raise DataError("the table of costs has no actions; expected {class: {action: cost, …}, …}")
    return rows, actions


def read_cells(path: Path, where: str) -> list[list[str]]:
    """Return the cells of a small CSV file, of the lines that hold something; `where` is for messages.

    Raises
    ------
    DataError
        Where it is none.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max(DELIMITERS, key=first.count)
            lines = [[cell.strip() for cell in line] for line in csv.reader(file, delimiter=delimiter)]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise DataError(f"{where}: it is not a CSV file ({problem})") from None
    return [line for line in lines if any(line)]


def _of_file(path: Path) -> tuple[list[tuple[str, Mapping[str, Any]]], list[str]]:
    lines = read_cells(path, str(path))
    if len(lines) < 2 or len(lines[0]) < 2:
        raise DataError(f"{path}: expected a line with the names of actions, and one with costs for each class")
    actions = lines[0][1:]
    _no_twice(f"{path}: actions", actions)
    if not all(actions):
        raise DataError(f"{path}: action {actions.index('') + 1} has no name in the first line")
    for line in lines[1:]:
        if len(line) != len(actions) + 1:
            raise DataError(
                f"{path}: the line of class {line[0]!r} has {len(line) - 1} costs; expected {len(actions)}, one for "
                "each action"
            )
    rows: list[tuple[str, Mapping[str, Any]]] = [
        (line[0], dict(zip(actions, line[1:], strict=True))) for line in lines[1:]
    ]
    return rows, actions


def _number(where: str, label: str, action: str, cost: Any) -> float:
    if cost is None or cost == "":
        raise DataError(f"{where}: there is no cost of action {action!r} where the class is {label!r}")
    try:
        number = float(cost)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise DataError(
            f"{where}: the cost of action {action!r} where the class is {label!r} is {cost!r}; expected a finite number"
        )
    return number


def match_names(where: str, given: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise LabelError where the names are not those of the model's classes, each once: it says what may be meant."""
    _no_twice(f"{where}: classes", given)
    unknown = [name for name in given if name not in wanted]
    missing = [name for name in wanted if name not in given]
    if not (unknown or missing):
        return
    near = [(name, difflib.get_close_matches(name, missing, 1, 0.5)) for name in unknown]
    hints = [f"{name!r} may be meant for {match[0]!r}" for name, match in near if match]
    parts = [f"has no class {_names(missing)}"] if missing else []
    parts += [f"has {_names(unknown)}, which the model has not"] if unknown else []
    raise LabelError("; ".join([f"{where} {' and '.join(parts)}", *hints, f"the model's classes are {_names(wanted)}"]))


def _no_twice(what: str, names: Iterable[str]) -> None:
    names = list(names)
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise LabelError(f"{what} are listed twice: {_names(twice)}")


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")
