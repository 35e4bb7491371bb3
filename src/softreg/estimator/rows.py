"""X, in whatever form a caller has it, as what the engine reads in place; and results in the caller's form."""

from __future__ import annotations

import numbers
from typing import Any

import array_api_compat
import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_array, validate_data

from softreg.arrays import as_host, as_numpy, dense, dtype_name, non_finite
from softreg.errors import DataError

__all__ = ["explain", "finite", "host", "means", "precision", "probabilities", "read", "returned"]

BLOCK_ROWS = 4096
BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))
NAMED = 3  # columns and rows, in a message


def read(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Return X as an array of rows that the engine reads, not copied where its type allows; names are checked.

    Raises
    ------
    DataError
        Where a table has columns that are not numbers: the message names them.
    ValueError
        Where X is not two-dimensional, has no rows, or has other columns than the estimator was fitted with.
    """
    plain = type(X) is np.ndarray and X.ndim == 2 and 0 not in X.shape and X.dtype.kind in "buif"
    if plain and not hasattr(estimator, "feature_names_in_"):  # scikit-learn's checks take longer than a small answer
        if reset:
            estimator.n_features_in_ = X.shape[1]
        if X.shape[1] == estimator.n_features_in_:
            return X
    if type(X).__name__ == "LazyFrame":
        raise DataError("X is a LazyFrame, a query whose rows are not there yet; X.collect() makes a DataFrame of it")
    table = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(table, nw.DataFrame):
        array = _numbers(table)
    elif isinstance(X, np.ndarray) and X.dtype.name == "bfloat16" and X.ndim == 2:
        array = X  # which scikit-learn does not know
    elif not isinstance(X, np.ndarray) and array_api_compat.is_array_api_obj(X) and as_host(X) is None:
        array = X  # on a device, where it stays
    else:
        array = check_array(
            as_host(X) if array_api_compat.is_array_api_obj(X) else X,
            accept_sparse="csr",
            ensure_all_finite=False,
            ensure_min_samples=1,
            estimator=estimator,
            input_name="X",
        )
    validate_data(estimator, X if isinstance(table, nw.DataFrame) else array, reset=reset, skip_check_array=True)
    return array


def host(values: Any) -> Any:
    """Arrays of other namespaces, from wherever they are, as NumPy's; what is no array as it is."""
    if isinstance(values, np.ndarray) or not array_api_compat.is_array_api_obj(values):
        return values
    return as_numpy(values)


def returned(result: NDArray[Any], X: Any) -> Any:
    """Return numbers as an array of X's namespace, on its device, and float32 where X is; text stays in NumPy."""
    if result.dtype == np.float64 and _narrow(X):
        result = result.astype(np.float32)
    if isinstance(X, np.ndarray) or not array_api_compat.is_array_api_obj(X) or result.dtype.kind not in "biuf":
        return result
    xp = array_api_compat.array_namespace(X)
    return xp.asarray(result, device=array_api_compat.device(X))


def probabilities(probs: NDArray[np.float64], X: Any) -> Any:
    """Return probabilities as `returned` does; of float32, only what is 1 in float64 is 1.

    What is less becomes the last number below: so there is a logarithm of it, and of what is left to 1.
    """
    if _narrow(X):
        narrowed = probs.astype(np.float32)
        narrowed[(narrowed == 1) & (probs < 1)] = BELOW_ONE
        return returned(narrowed, X)
    return returned(probs, X)


def precision(array: Any) -> type[np.float32] | type[np.float64]:
    """Return the type of coefficients for these rows."""
    return np.float32 if dtype_name(array.dtype) == "float32" else np.float64


def _narrow(X: Any) -> bool:
    return str(getattr(X, "dtype", "")).endswith("float32")


def _numbers(table: nw.DataFrame[Any]) -> NDArray[Any]:
    wrong = [
        name
        for name, kind in table.schema.items()
        if not (kind.is_numeric() or kind == nw.Boolean or (kind == nw.Object and _holds_numbers(table[name])))
    ]
    if any(str(getattr(table[name].to_native(), "dtype", "")).startswith("Sparse") for name in wrong):
        raise DataError(
            f"X has sparse columns, such as {wrong[0]!r}, which are not read as they are; pass "
            "X.sparse.to_coo().tocsr() where all are, or X.sparse.to_dense()"
        )
    if wrong:
        kinds = ", ".join(f"{name!r} ({table.schema[name]})" for name in wrong[:NAMED])
        more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise DataError(
            f"X has columns that are not numbers: {kinds}{more}; encode them first, for example with "
            "sklearn.preprocessing.OneHotEncoder in a ColumnTransformer"
        )
    array = table.to_numpy()
    if array.dtype.kind not in "biuf":  # booleans beside numbers, or integers with missing values, come as objects
        array = np.column_stack([_column(table[name]) for name in table.columns])
    if array.ndim != 2 or 0 in array.shape:
        raise DataError(f"X has {len(table)} rows and {len(table.columns)} columns; expected at least one of each")
    return array


def _holds_numbers(series: nw.Series[Any]) -> bool:
    """Whether a column of objects is one of numbers, and of what is missing."""
    return all(value is None or isinstance(value, numbers.Real) for value in series.to_list())


def _column(series: nw.Series[Any]) -> NDArray[Any]:
    column = series.to_numpy()
    return column if column.dtype.kind in "biuf" else series.cast(nw.Float64).to_numpy().astype(float)


def explain(X: Any, names: ArrayLike | None) -> DataError:
    """Return the error that says which values of X are missing or infinite, and what helps."""
    rows: list[int] = []
    nans, infinities = 0, 0
    columns = np.zeros(X.shape[1], np.int64)
    for start in range(0, X.shape[0], BLOCK_ROWS):
        block = _block(X, start)
        bad = ~np.isfinite(block)
        nans, infinities = nans + int(np.isnan(block).sum()), infinities + int(np.isinf(block).sum())
        columns += bad.sum(axis=0)
        rows.extend(start + np.flatnonzero(bad.any(axis=1)))
    which = np.flatnonzero(columns)
    named = [repr(str(np.asarray(names)[j])) if names is not None else str(j) for j in which[:NAMED]]
    kinds = " and ".join(kind for kind, count in (("NaN", nans), ("infinity", infinities)) if count)
    what = f"Input X contains {kinds}. {nans + infinities} {'value' if nans + infinities == 1 else 'values'}"
    where = f"in column {', '.join(named)}{', …' if len(which) > NAMED else ''}"
    where += f" and row {', '.join(map(str, rows[:NAMED]))}{', …' if len(rows) > NAMED else ''}"
    count = f"({len(which)} of the columns, {len(rows)} of the rows)"
    remedy = "missing='mean' or missing='zero' fills in what is NaN" if nans and not infinities else "leave them out"
    return DataError(f"{what} {where} {count}; {remedy}")


def means(X: Any, some: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Mean of each column over the rows, or some of them, that have it; 0 where none has."""
    sums, counts = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for start in range(0, X.shape[0], BLOCK_ROWS):
        block = _block(X, start)
        known = ~np.isnan(block)
        if some is not None:
            known &= some[start : start + BLOCK_ROWS, None]
        sums += np.where(known, block, 0.0).sum(axis=0)
        counts += known.sum(axis=0)
    return sums / np.maximum(counts, 1)


def finite(X: Any) -> bool:
    """Whether no value is missing or infinite."""
    return non_finite(X) is None


def _block(X: Any, start: int) -> NDArray[np.float64]:
    return dense(X, slice(start, start + BLOCK_ROWS)).astype(float)
