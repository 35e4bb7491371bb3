"""NumPy's npz files: an array X of rows, y of labels, and where there are any, weights, feature_names and classes."""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.data.columns import Columns, features, listed, near
from softreg.data.labels import whole
from softreg.data.source import Source
from softreg.errors import ColumnError, DataError, LabelError, ShapeError

__all__ = ["Arrays", "read_arrays"]

_DAMAGED = (  # what zipfile and NumPy raise of a file that is not whole, or not theirs
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


class Arrays:
    """The arrays of a file, read as they are asked for. No code in the file can run."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self._file = source.open()
        try:
            self._npz: Any = np.load(self._file, allow_pickle=False)
        except _DAMAGED as error:
            self._file.close()
            raise DataError(f"{self.name} cannot be read as an npz file: {error}") from None
        self.names = tuple(self._npz.files)

    def __enter__(self) -> Arrays:
        return self

    def __exit__(self, *_: object) -> None:
        self._npz.close()
        self._file.close()

    def get(self, name: str, role: str) -> NDArray[Any]:
        """Return an array.

        Raises
        ------
        DataError
            Where it is not there, is damaged, or is of Python objects.
        """
        if name not in self.names:
            hint = "; an Excel file? Save it as CSV" if any(inner.endswith(".xml") for inner in self.names) else ""
            raise ColumnError((name,), f"{self.name} has no array {name!r} for {role}{near(name, self.names)}{hint}")
        try:
            return np.asarray(self._npz[name])
        except _DAMAGED as error:
            why = "it holds Python objects, which could run code" if "pickle" in str(error) else error
            raise DataError(f"{self.name}: the array {name!r} cannot be read: {why}") from None


def read_arrays(source: Source, columns: Columns, labelled: bool) -> dict[str, Any]:
    """Return X, and where labelled y; classes, weights and feature_names where the file has them.

    `columns` may name other arrays than y and weights; its features are among feature_names.
    """
    with Arrays(source) as arrays:
        X = arrays.get("X", "the rows")
        fields: dict[str, Any] = {"X": X}
        names = None
        if "feature_names" in arrays.names:
            names = [str(name) for name in arrays.get("feature_names", "the columns").ravel()]
            if X.ndim != 2 or len(names) != X.shape[1]:
                raise ShapeError("X", X.shape, f"(rows, {len(names)}), as there are feature_names in {source.name}")
            fields["feature_names"] = tuple(names)
        if columns.features:
            if names is None:
                raise DataError(f"{source.name} has no array feature_names, which --features could choose from")
            chosen = features(Columns(features=columns.features), names, source.name)
            fields |= {"X": X[:, [names.index(name) for name in chosen]], "feature_names": chosen}
        if labelled:
            y = arrays.get(columns.target or "y", "the labels")
            what = f"{source.name}: the labels in {columns.target or 'y'!r}"
            if y.dtype.kind not in "biufU":
                raise LabelError(f"{what} are {y.dtype}; expected text, whole numbers, or true and false")
            fields["y"] = whole(y, what, columns.target or "y")
            if "classes" in arrays.names:
                fields["classes"] = whole(arrays.get("classes", "the classes"), "the classes", "classes")
            if columns.weight is not None or "weights" in arrays.names:
                fields["weights"] = arrays.get(columns.weight or "weights", "the weights")
        elif columns.target is not None and columns.target not in arrays.names:
            raise ColumnError((columns.target,), f"{source.name} has {listed(arrays.names)}, no {columns.target!r}")
    return fields
