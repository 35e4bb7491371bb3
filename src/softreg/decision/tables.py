"""Small tables with names: a line for each class, a column for each action; from a file, a mapping or a DataFrame."""

from __future__ import annotations

import csv
import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.errors import DataError, LabelError

__all__ = ["is_named_table", "match_names", "named_numbers", "no_twice", "read_cells"]

DELIMITERS = ",;\t"
SHOWN = 8  # names in a message
Lines = list[tuple[str, Mapping[str, Any]]]


def named_numbers(table: Any, known: Sequence[str]) -> tuple[NDArray[np.float64], list[str]]:
    """Return the numbers of the known classes, a row each, and the names of the columns.

    Raises
    ------
    LabelError, DataError, OSError
        As `softreg.decision.CostMatrix.from_table` does.
    """
    where = "the table of costs"
    if isinstance(table, Mapping):
        lines, actions = _of_mapping(table)
    elif is_named_table(table):
        lines, actions = _of_frame(table, known)
    elif isinstance(table, (str, os.PathLike)):
        where = os.fspath(table)
        lines, actions = _of_file(Path(where), known)
    else:
        raise DataError(f"costs are a {type(table).__name__}; expected a file, a mapping or a DataFrame with names")
    names = [name for name, _ in lines]
    if set(known) <= set(actions) and not set(known) & set(names):
        raise LabelError(f"{where} has the classes for columns; expected a line for each, and the actions for columns")
    match_names(where, names, known)
    by_name = dict(lines)
    return np.array([[_number(where, name, a, by_name[name].get(a)) for a in actions] for name in known]), actions


def _of_mapping(table: Mapping[Any, Any]) -> tuple[Lines, list[str]]:
    actions: list[str] = []
    rows: Lines = []
    for label, costs in table.items():
        if not isinstance(costs, Mapping):
            raise DataError(f"the table of costs has {costs!r} for class {label!r}; expected {{action: cost, …}}")
        row = {str(action): cost for action, cost in costs.items()}
        actions += [action for action in row if action not in actions]
        rows.append((str(label), row))
    if not actions:
        raise DataError("the table of costs has no actions; expected {class: {action: cost, …}, …}")
    return rows, actions


def is_named_table(table: Any) -> bool:
    """Whether it is a DataFrame, of whichever library."""
    return hasattr(type(table), "columns") and hasattr(type(table), "__getitem__")  # polars warns of a lazy one's own


def _of_frame(table: Any, known: Sequence[str]) -> tuple[Lines, list[str]]:
    """Return lines by the index, where that has the classes, and else by the first column."""
    if hasattr(table, "collect"):
        raise DataError("the table of costs is a query that has not run: .collect() makes a DataFrame of it")
    columns, index = list(table.columns), getattr(table, "index", None)
    labels = [] if index is None else list(map(str, index))
    if index is None or type(index).__name__ == "RangeIndex":  # which names nothing, but where classes are numbers
        others = len(columns) > 1 and set(map(str, columns)) != set(known)
        first = list(map(str, table[columns[0]])) if others else []
        by_index, by_first = (set(known) <= set(names) for names in (labels, first))
        if by_index and by_first:
            raise DataError(
                "the table of costs has the classes twice, as numbers of its lines and first: .set_index says which"
            )
        if not by_index:
            if not others:
                raise DataError("the table of costs has no column of classes and one of each action")
            labels, columns = first, columns[1:]
    actions = [str(name) for name in columns]
    no_twice("the table of costs: actions", actions)
    cells = zip(*(list(table[name]) for name in columns), strict=True)
    lines = [dict(zip(actions, row, strict=True)) for row in cells]
    return list(zip(labels, lines, strict=True)), actions


def _of_file(path: Path, known: Sequence[str]) -> tuple[Lines, list[str]]:
    lines = read_cells(path, str(path))
    if len(lines) < 2 or len(lines[0]) < 2:
        raise DataError(f"{path}: expected a line with the names of actions, and one with costs for each class")
    if lines[0][0] in known and all(line[0] != lines[0][0] for line in lines[1:]):
        raise DataError(f"{path}: the first line is of class {lines[0][0]!r}; expected one of actions' names before it")
    actions = lines[0][1:]
    no_twice(f"{path}: actions", actions)
    if not all(actions):
        raise DataError(f"{path}: action {actions.index('') + 1} has no name in the first line")
    for line in lines[1:]:
        if len(line) != len(actions) + 1:
            raise DataError(
                f"{path}: the line of class {line[0]!r} has {len(line) - 1} costs; expected {len(actions)}, one for "
                "each action"
            )
    rows: Lines = [(line[0], dict(zip(actions, line[1:], strict=True))) for line in lines[1:]]
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


def _number(where: str, label: str, action: str, cost: Any) -> float:
    if cost is None or (isinstance(cost, str) and not cost):
        raise DataError(f"{where}: there is no cost of action {action!r} where the class is {label!r}")
    try:
        number = float(cost)  # of pandas' NA a TypeError
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise DataError(
            f"{where}: the cost of action {action!r} where the class is {label!r} is {cost!r}; expected a finite number"
        )
    return number


def match_names(where: str, given: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise LabelError where the names are not those of the model's classes, each once: it says what may be meant."""
    no_twice(f"{where}: classes", given)
    unknown = [name for name in given if name not in wanted]
    missing = [name for name in wanted if name not in given]
    if not (unknown or missing):
        return
    near = [(name, difflib.get_close_matches(name, missing, 1, 0.5)) for name in unknown]
    hints = [f"{name!r} may be meant for {match[0]!r}" for name, match in near if match]
    parts = [f"has no class {_names(missing)}"] if missing else []
    parts += [f"has {_names(unknown)}, which the model has not"] if unknown else []
    raise LabelError("; ".join([f"{where} {' and '.join(parts)}", *hints, f"the model's classes are {_names(wanted)}"]))


def no_twice(what: str, names: Iterable[str]) -> None:
    """Raise LabelError where a name is listed twice."""
    names = list(names)
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise LabelError(f"{what} are listed twice: {_names(twice)}")


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")
