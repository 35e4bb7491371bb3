"""Table: named columns of one length, which become a DataFrame where one is wanted."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from softreg.errors import MissingPackageError

__all__ = ["Table"]


@dataclass(frozen=True, eq=False, repr=False)
class Table(Mapping[str, NDArray[Any]]):
    """Columns by their names; `dict(table)` is what a DataFrame of any library is made from.

    >>> import numpy as np
    >>> table = Table({"term": np.array(["age", "income"]), "z": np.array([1.5, -2.0])})
    >>> table["z"]
    array([ 1.5, -2. ])
    >>> table
    Table(2 rows: term, z)
    """

    columns: Mapping[str, NDArray[Any]]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def n_rows(self) -> int:
        """Length of the columns."""
        return min((len(column) for column in self.columns.values()), default=0)

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame.

        Raises
        ------
        MissingPackageError
            Where pandas is not installed.
        """
        return _package("pandas", "Table.to_pandas").DataFrame(dict(self.columns))

    def to_polars(self) -> Any:
        """Return a polars DataFrame.

        Raises
        ------
        MissingPackageError
            Where polars is not installed.
        """
        return _package("polars", "Table.to_polars").DataFrame(dict(self.columns))

    def __repr__(self) -> str:
        return f"Table({self.n_rows} rows: {', '.join(self.columns)})"


def _package(name: str, purpose: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingPackageError(name, purpose) from None
