"""What X may be, how some of its rows are read, and what is put where it is nan.

    NumPy      an array in this machine's memory; other libraries' are seen as one through DLPack, without a copy
    CSR        a SciPy matrix; computed with in float64, its duplicates summed up as the numbers they are
    elsewhere  an array of another library on a device: it stays there

SciPy and array_api_compat are imported where there is something of theirs, not before.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.errors import DataError

__all__ = [
    "Storage",
    "admitted",
    "as_host",
    "as_numpy",
    "as_rows",
    "dense",
    "dtype_name",
    "fill",
    "filled",
    "is_sparse",
    "kind",
    "non_finite",
    "products",
]

Storage = Any  # NumPy's array, a CSR matrix, or an array elsewhere
Which = slice | NDArray[np.int64]

FINITE_BLOCK = 4096  # rows looked at together for nan and inf: no mask of the whole of X
HOST = (1, 3, 11)  # DLPack's numbers of memory that this machine's processor reads: its own, CUDA's and ROCm's pinned


def admitted(X: Any) -> Storage:
    """X as the library takes it: as a NumPy array, as the CSR matrix it is, or as the array elsewhere that it is.

    Raises
    ------
    DataError
        Where it is sparse and not CSR, a CSR matrix whose indices point outside, or an array that cannot be read.
    """
    if is_sparse(X):
        if X.format != "csr":
            raise DataError(f"X is a sparse matrix in {X.format} format; expected CSR: X.tocsr() makes one")
        _check_csr(X)
        return X
    host = as_host(X)
    return _kept(X) if host is None else host


def as_host(X: Any) -> NDArray[Any] | None:
    """X as a NumPy array, over the same memory where it is an array of any library; None where it is elsewhere.

    Examples
    --------
    >>> import array_api_strict
    >>> as_host(array_api_strict.asarray([[1.0, 2.0]]))
    array([[1., 2.]])
    """
    if isinstance(X, np.ndarray) or not hasattr(X, "__dlpack_device__"):
        return np.asarray(X)
    if _far(X):
        return None
    X = _kept(X)
    try:
        if dtype_name(X.dtype) == "bfloat16":
            return _bfloat16(X)
        return np.from_dlpack(X)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(f"X cannot be read in place ({error}); expected a dense array of numbers") from None


def is_sparse(X: object) -> bool:
    """Whether X is a sparse matrix of SciPy's; which is not imported for it."""
    scipy_sparse = sys.modules.get("scipy.sparse")
    return scipy_sparse is not None and bool(scipy_sparse.issparse(X))


def dtype_name(dtype: Any) -> str:
    """Return the name that libraries agree on.

    >>> import array_api_strict
    >>> dtype_name(np.dtype(">f8")), dtype_name(array_api_strict.uint8)
    ('float64', 'uint8')
    """
    return _numpy_name(dtype) if isinstance(dtype, np.dtype) else _name(dtype)


@functools.lru_cache(maxsize=64)
def _numpy_name(dtype: np.dtype[Any]) -> str:
    return dtype.name  # which NumPy puts together each time


def _name(dtype: Any) -> str:
    return str(getattr(dtype, "name", None) or str(dtype).rpartition(".")[2])


def kind(X: Storage) -> str:
    """NumPy's letter for the kind of X's type; "f" for bfloat16, and "V" for what NumPy has none for."""
    name, of_numpy = dtype_name(X.dtype), getattr(X.dtype, "kind", None)
    try:
        return "f" if name == "bfloat16" else of_numpy if isinstance(of_numpy, str) else np.dtype(name).kind
    except TypeError:
        return "V"


def as_rows(X: Storage) -> Storage:
    """Images (n, height, width) as rows of pixels; what has another number of axes as it is."""
    if X.ndim != 3:
        return X
    n, height, width = X.shape
    if isinstance(X, np.ndarray):
        return X.reshape(n, height * width)
    import array_api_compat

    return array_api_compat.array_namespace(X).reshape(X, (n, height * width))


def non_finite(X: Storage) -> tuple[float, tuple[int, ...]] | None:
    """Return the first nan or infinity and its place; None where there is none. It looks at a block at a time."""
    if kind(X) in "bui":
        return None
    if is_sparse(X):
        for start in range(0, int(X.indptr[-1]), FINITE_BLOCK * 16):
            bad = np.flatnonzero(~np.isfinite(X.data[start : min(start + FINITE_BLOCK * 16, int(X.indptr[-1]))]))
            if len(bad):
                at = start + int(bad[0])
                return float(X.data[at]), (int(np.searchsorted(X.indptr, at, "right")) - 1, int(X.indices[at]))
        return None
    for start in range(0, X.shape[0], FINITE_BLOCK):
        some = slice(start, min(start + FINITE_BLOCK, X.shape[0]))
        if not isinstance(X, np.ndarray) and _all_finite(X[some, :]):
            continue
        block = dense(X, some)
        places = np.argwhere(~np.isfinite(block))
        if len(places):
            row, *column = (int(i) for i in places[0])
            return float(block[row, *column]), (start + row, *column)
    return None


def filled(X: Storage, values: NDArray[np.float64]) -> Storage:
    """Return X (n, d) with a column's value where it is nan: a copy only where there is such a place.

    Raises
    ------
    DataError
        Where X has such places and is elsewhere.
    """
    if kind(X) != "f" or non_finite(X) is None:
        return X
    if not isinstance(X, np.ndarray) and not is_sparse(X):
        raise DataError("X has values that are missing, on a device; fill them in there, or bring X to the host")
    copy = X.copy()
    fill(copy, X, values)
    return copy


def fill(copy: Storage, X: Storage, values: NDArray[np.float64]) -> None:
    """Put a column's value into the copy where X is nan."""
    if is_sparse(X):
        gaps = np.flatnonzero(np.isnan(X.data))
        copy.data[gaps] = values[X.indices[gaps]]
        return
    for start in range(0, X.shape[0], FINITE_BLOCK):
        rows, columns = np.nonzero(np.isnan(X[start : start + FINITE_BLOCK]))
        copy[start + rows, columns] = values[columns].astype(X.dtype)


def _all_finite(x: Any) -> bool:
    import array_api_compat

    xp = array_api_compat.array_namespace(x)
    return bool(xp.all(xp.isfinite(x)))


def products(X: Storage, which: Which) -> Any:
    """Rows of X in float64, as an array or a CSR array: what abs() and @ an array apply to."""
    return _csr(X, which) if is_sparse(X) else dense(X, which).astype(float)


def dense(X: Storage, which: Which) -> NDArray[Any]:
    """Rows of X as an array; those of a NumPy array in their type."""
    if isinstance(X, np.ndarray):
        return X[which]
    if is_sparse(X):
        rows: NDArray[Any] = _csr(X, which).toarray()
        return rows
    import array_api_compat

    xp = array_api_compat.array_namespace(X)
    if isinstance(which, slice):
        begin, end, _ = which.indices(X.shape[0])  # the standard has no slices beyond the end
        part = X[begin:end, :]
    else:
        part = xp.take(X, xp.asarray(which, device=array_api_compat.device(X)), axis=0)
    if dtype_name(X.dtype) == "bfloat16":
        part = xp.astype(part, xp.float32)
    return as_numpy(part)


def as_numpy(x: Any) -> NDArray[Any]:
    """Copy an array from wherever it is."""
    import array_api_compat

    host = as_host(x)
    if host is not None:
        return host
    if array_api_compat.is_jax_array(x):
        return np.asarray(x)
    xp = array_api_compat.array_namespace(x)
    strict = array_api_compat.is_array_api_strict_namespace(xp)
    near = array_api_compat.to_device(x, xp.Device("CPU_DEVICE") if strict else "cpu")
    return near if isinstance(near, np.ndarray) else np.asarray(as_host(near))


def _kept(X: Any) -> Any:
    """X without torch's account of its gradient, which it neither exports nor forgets."""
    return X.detach() if hasattr(X, "detach") else X


def _far(X: Any) -> bool:
    import array_api_compat

    try:
        if int(X.__dlpack_device__()[0]) not in HOST:
            return True
    except (ValueError, BufferError, NotImplementedError) as error:  # what libraries raise for no memory to point at
        raise DataError(f"X cannot be read ({error}); expected an array with numbers in memory") from None
    xp = array_api_compat.array_namespace(X)
    # array-api-strict's devices are all in this memory, and stand for those that are not.
    return bool(array_api_compat.is_array_api_strict_namespace(xp)) and X.device != xp.Device("CPU_DEVICE")


def _bfloat16(X: Any) -> NDArray[Any]:
    """X of bfloat16, which DLPack and NumPy know no type for, by way of integers of its size."""
    try:
        import ml_dtypes
    except ImportError:
        raise DataError(
            "X has dtype bfloat16; NumPy needs the package ml_dtypes for it, or give X as float32"
        ) from None
    import array_api_compat

    if array_api_compat.is_torch_array(X):
        import torch

        return np.from_dlpack(X.view(torch.int16)).view(ml_dtypes.bfloat16)
    return np.asarray(X)


def _csr(X: Any, which: Which) -> Any:
    """Rows of a CSR matrix in float64: these rows alone are copied, if they are."""
    from scipy.sparse import csr_array

    if isinstance(which, slice):
        begin, end, _ = which.indices(X.shape[0])
        ends = X.indptr[begin : max(begin, end) + 1]
        entries: Any = slice(ends[0], ends[-1])
        ends = ends - ends[0]
    else:
        starts = X.indptr[which]
        ends = np.append(0, np.cumsum(X.indptr[which + 1] - starts))
        entries = np.arange(ends[-1]) + np.repeat(starts - ends[:-1], np.diff(ends))
    data = X.data[entries].astype(float, copy=False)
    return csr_array((data, X.indices[entries], ends), shape=(len(ends) - 1, X.shape[1]))


def _check_csr(X: Any) -> None:
    """SciPy's products read and write wherever the indices point."""
    if X.ndim != 2:
        return
    ends, indices = np.asarray(X.indptr), np.asarray(X.indices)
    size = int(ends[-1]) if len(ends) else 0
    sound = len(ends) == X.shape[0] + 1 and ends[0] == 0 and bool((np.diff(ends) >= 0).all())
    if not sound or size > min(len(indices), len(X.data)):
        raise DataError("X is a CSR matrix whose indptr does not fit its data: X.check_format() says how")
    used = indices[:size]
    if size and not (used.min() >= 0 and used.max() < X.shape[1]):
        raise DataError(
            f"X is a CSR matrix with column {used.max() if used.min() >= 0 else used.min()}; "
            f"expected 0 to {X.shape[1] - 1}: it was made with a wrong shape"
        )
