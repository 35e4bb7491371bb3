"""Columns of a table as arrays of numbers: X of one type, and weights.

Whole numbers are kept in the smallest type that holds a column's, since a file's type says little of them (CSV has
none, and most programs write 64 bits): pixels are bytes. The type of X is then the one that NumPy finds for all
columns, so that bytes stay bytes, float32 stays float32, and what is mixed is no wider than it must be.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.errors import ColumnError

__all__ = ["matrix", "places", "weights"]

SHOWN = 3  # columns or rows in a message
BLOCK_ROWS = 4096
NARROW = ("uint8", "int8", "int16", "int32")
_ENCODERS = "pandas.get_dummies or scikit-learn's OneHotEncoder makes numbers of categories"


def matrix(table: Any, where: str, *, chosen: bool = False) -> NDArray[Any]:
    """Return the columns of a pyarrow.Table as an array (n, d), row by row in memory, as minibatches want it.

    `chosen` is whether a model picked them, and there is no other choice.

    Raises
    ------
    ColumnError
        Where a column is not numbers, or has missing or infinite values: the message names all of them.
    """
    named = list(zip(table.column_names, table.columns, strict=True))
    wrong = {name: _shown(column) for name, column in named if not _numeric(column.type)}
    if wrong:
        some = [f"{name!r} ({value})" for name, value in list(wrong.items())[:SHOWN]]
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        without = f"{_ENCODERS}; --features '{','.join(f'!{name}' for name in list(wrong)[:SHOWN])}' leaves columns out"
        remedy = "The model was fitted to numbers in them" if chosen else without
        raise ColumnError(tuple(wrong), f"{where} has columns that are not numbers: {', '.join(some)}{more}. {remedy}")
    gaps: dict[str, NDArray[np.int64]] = {}
    infinite: dict[str, NDArray[np.int64]] = {}
    types, arrays = [], []
    for name, column in named:
        values, missing, infinities, dtype = _looked_at(column)
        types.append(dtype)
        arrays.append(values)
        if len(missing):
            gaps[name] = missing
        if len(infinities):
            infinite[name] = infinities
    if gaps:
        raise ColumnError(tuple(gaps), f"{where} has missing values: {places(gaps)}; fill them in or leave them out")
    if infinite:
        raise ColumnError(tuple(infinite), f"{where} has infinite values: {places(infinite)}")
    X = np.empty((table.num_rows, len(named)), np.result_type(*types))  # which holds every value
    for start in range(0, len(X), BLOCK_ROWS):
        block = X[start : start + BLOCK_ROWS]
        for j, values in enumerate(arrays):
            block[:, j] = values[start : start + BLOCK_ROWS]
    return X


def weights(column: Any, name: str, where: str) -> NDArray[np.float64]:
    """Return a column of weights.

    Raises
    ------
    ColumnError
        Where it is not numbers, or one is missing, infinite or below 0.
    """
    if not _numeric(column.type):
        raise ColumnError((name,), f"{where}: the weights in {name!r} are not numbers ({_shown(column)})")
    values, missing, _, _ = _looked_at(column)
    if len(missing):
        raise ColumnError((name,), f"{where}: weights are missing: {places({name: missing})}")
    w = values.astype(float)
    bad = np.flatnonzero(~(np.isfinite(w) & (w >= 0)))
    if len(bad):
        raise ColumnError((name,), f"{where}: weights are negative or infinite: {places({name: bad})}")
    return w


def places(found: dict[str, NDArray[np.int64]]) -> str:
    """Say in which rows of which columns something was found."""
    some = [f"{name!r} in {_rows(rows)}" for name, rows in list(found.items())[:SHOWN]]
    more = f" and {len(found) - SHOWN} more columns" if len(found) > SHOWN else ""
    return ", ".join(some) + more + " (rows are counted from 0)"


def _numeric(kind: Any) -> bool:
    import pyarrow.types as types

    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_null)
    return any(test(kind) for test in tests)  # null: a column of missing values alone


def _looked_at(column: Any) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64], np.dtype[Any]]:
    """Return the values, the rows that are missing, those that are infinite, and the type that the column asks for."""
    import pyarrow.types as types

    none = np.empty(0, np.int64)
    if column.null_count:
        return none, np.flatnonzero(column.is_null(nan_is_null=True).to_numpy()), none, np.dtype(float)
    values = np.asarray((column.cast("float64") if types.is_decimal(column.type) else column).to_numpy())
    if types.is_integer(column.type):
        low, high = int(values.min()), int(values.max())
        held = (np.dtype(name) for name in NARROW)
        dtype = next((t for t in held if np.iinfo(t).min <= low and high <= np.iinfo(t).max), values.dtype)
        return values, none, none, dtype
    if values.dtype.kind != "f":
        return values, none, none, values.dtype
    return values, np.flatnonzero(np.isnan(values)), np.flatnonzero(np.isinf(values)), values.dtype


def _shown(column: Any) -> str:
    """Say what a column that is not numbers holds: the first value that is none."""
    import pyarrow.types as types

    if not (types.is_string(column.type) or types.is_large_string(column.type) or types.is_dictionary(column.type)):
        return str(column.type)
    for row, value in enumerate(column.to_pylist()):
        if value is not None and not _number(value):
            return f"{value!r} in row {row}"
    return "numbers, as text"


def _number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def _rows(rows: NDArray[np.int64]) -> str:
    if len(rows) == 1:
        return f"row {rows[0]}"
    few = ", ".join(map(str, rows[:SHOWN]))
    return f"{len(rows)} rows ({few}{', …' if len(rows) > SHOWN else ''})"
