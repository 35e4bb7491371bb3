"""Labels: whole numbers, text, or true and false, as codes into classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.data.columns import listed
from softreg.data.numbers import places
from softreg.errors import ColumnError, LabelError

__all__ = ["codes_among", "codes_of_column", "whole"]


def codes_of_column(column: Any, name: str, where: str, known: bool = False) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return codes into classes, and the classes: sorted, or of a categorical column in the order of its categories.

    Where the classes are `known` beforehand, the rows may be of one alone, or each of another.

    Raises
    ------
    ColumnError
        Where a label is missing or is no whole number, text, or true or false, or no two rows have the same.
    """
    import pyarrow.types as types

    categorical = types.is_dictionary(column.type)
    encoded = _combined(column if categorical else column.dictionary_encode())
    values = encoded.dictionary
    codes = np.asarray(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
    found = _classes(values, name, where, column)
    missing = np.flatnonzero(codes < 0)
    if len(missing) == 0 and found.dtype.kind == "f":
        missing = np.flatnonzero(np.isnan(found)[codes])
    if len(missing):
        raise ColumnError(
            (name,),
            f"{where} has rows without a label: {places({name: missing})}; leave those rows out"
            + (', or quote a label that is "NA" or the like' if found.dtype.kind == "U" else ""),
        )
    found = whole(found, f"{where}: the labels in {name!r}", name)
    present = np.unique(codes)  # a category without rows is none
    order = present if categorical else present[np.argsort(found[present], kind="stable")]
    place = np.zeros(len(found), np.int64)
    place[order] = np.arange(len(order))
    classes, codes = found[order], place[codes]
    if len(classes) == 1 and not known:
        raise ColumnError(
            (name,),
            f"{where}: {name!r} has one class alone, {classes[0].item()!r}; expected at least two",
        )
    if len(classes) == len(codes) > 2 and not known:
        raise ColumnError(
            (name,), f"{where}: {name!r} has another label in each of its {len(codes)} rows: is it the target?"
        )
    return codes, classes


def whole(found: NDArray[Any], what: str, name: str) -> NDArray[Any]:
    """Return labels that are whole numbers as int64, whatever type they came in; others as they are.

    Raises
    ------
    ColumnError
        Where a number is not whole.
    """
    if found.dtype.kind == "f":
        odd = found[~(np.isfinite(found) & (found == np.floor(found)))]
        if len(odd):
            raise ColumnError(
                (name,),
                f"{what} are numbers such as {odd[0]:g}; expected classes: text, whole numbers, or true and false. "
                "To predict a quantity, cut it into classes first (pandas.cut), or use a regression",
            )
    return found.astype(np.int64) if found.dtype.kind in "iuf" else found


def codes_among(y: NDArray[Any], known: NDArray[Any], what: str, name: str) -> NDArray[np.int64]:
    """Return labels as codes into the classes that are known already.

    Raises
    ------
    LabelError
        Where there are others.
    """
    place = {label: code for code, label in enumerate(known.tolist())}
    found, inverse = np.unique(y, return_inverse=True)
    codes = np.array([place.get(label, -1) for label in found.tolist()], np.int64)[inverse]
    unknown = np.flatnonzero(codes < 0)
    if len(unknown):
        raise LabelError(
            f"{what}: {len(unknown)} labels in {name!r} are none of {listed(map(str, known.tolist()))}; the first is "
            f"{y[unknown[0]].item()!r} in row {unknown[0]}"
        )
    return codes


def _classes(values: Any, name: str, where: str, column: Any) -> NDArray[Any]:
    import pyarrow.types as types

    kind = values.type
    if types.is_string(kind) or types.is_large_string(kind):
        return np.array(values.to_pylist(), dtype=str)
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind):
        return np.asarray(values.to_numpy(zero_copy_only=False))
    if types.is_decimal(kind):
        return np.asarray(values.cast("float64").to_numpy(zero_copy_only=False))
    if types.is_null(kind):
        raise ColumnError((name,), f"{where}: {name!r} has no labels at all: all {len(column)} are missing")
    raise ColumnError(
        (name,), f"{where}: the labels in {name!r} are {kind}; expected text, whole numbers, or true and false"
    )


def _combined(column: Any) -> Any:
    """One array of a column in chunks, whose dictionaries may differ."""
    combined = column.unify_dictionaries().combine_chunks()
    return combined.chunk(0) if hasattr(combined, "num_chunks") else combined
