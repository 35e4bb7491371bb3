"""The tables that contract tests run over: joining one is how a new member gets tested."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import array_api_strict
import numpy as np
import pytest
import scipy.sparse
from numpy.typing import NDArray

from softreg import LBFGS, SGD, Dataset, Newton, Proximal
from softreg.data import fashion_mnist

DTYPES = [
    "bool",
    *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64)),
    "float16",
    "float32",
    "float64",
]

STORAGES = {  # of X
    "numpy": np.asarray,
    "csr": scipy.sparse.csr_array,
    "device": lambda X: array_api_strict.asarray(X, device=array_api_strict.Device("device1")),
}

SHAPES = [(0, 3), (1, 1), (1, 2), (5, 2), (257, 10), (33, 1000)]  # rows × classes of a block

SOLVERS = [
    pytest.param(SGD(learning_rate=0.05, batch_size=7), id="sgd"),
    pytest.param(SGD(0.01, 7, momentum=0.9, schedule="cosine", period=8), id="sgd-momentum"),
    pytest.param(LBFGS(), id="lbfgs"),
    pytest.param(LBFGS(memory=1, refresh=(0, 2)), id="lbfgs-short"),
    pytest.param(Newton(), id="newton-exact"),
    pytest.param(Newton(exact_passes=0), id="newton-truncated"),
    pytest.param(Newton(exact_passes=0, share=1.0, accuracy=0.5, inner=3, refresh=(0, 2)), id="newton-short"),
    pytest.param(Proximal(), id="proximal"),
    pytest.param(Proximal(first=1, ratio=1.5), id="proximal-slow"),
]

needs_fashion_mnist = pytest.mark.skipif(
    fashion_mnist.find() is None, reason="Fashion-MNIST is not on this machine: softreg data fetch fashion-mnist"
)


def features(rng: np.random.Generator, n: int, d: int, dtype: str = "float64") -> NDArray[Any]:
    """X that its type holds exactly, so that every path sees the same numbers."""
    low = 0 if dtype[0] in "ub" else -4
    return rng.integers(low, 2 if dtype == "bool" else 5, (n, d)).astype(dtype)


def dataset(
    seed: int, n: int = 40, d: int = 6, K: int = 4, dtype: str = "float64", storage: str = "numpy", **fields: Any
) -> Dataset:
    rng = np.random.default_rng(seed)
    X = STORAGES[storage](features(rng, n, d, dtype))
    return Dataset(X, rng.integers(0, K, n).astype(np.int32), np.array([f"class {k}" for k in range(K)]), **fields)


def plain(data: Dataset) -> NDArray[np.float64]:
    """X as the model sees it, whatever its storage."""
    return data.scale * _array(data.X).astype(float) + data.shift


def exact(data: Dataset) -> Dataset:
    """Return the same data in float64, so that finite differences see no rounding of float32."""
    return replace(data, X=_stored_as(data.X, _array(data.X).astype(float)))


def rows_of(data: Dataset, rows: NDArray[np.intp]) -> Dataset:
    """Return the Dataset of these rows, in the same storage."""
    weights = None if data.weights is None else data.weights[rows]
    return replace(data, X=_stored_as(data.X, _array(data.X)[rows]), y=data.y[rows], weights=weights)


def _array(X: Any) -> NDArray[Any]:
    if scipy.sparse.issparse(X):
        return np.asarray(X.toarray())
    return X if isinstance(X, np.ndarray) else np.from_dlpack(X.to_device(array_api_strict.Device("CPU_DEVICE")))


def _stored_as(other: Any, X: NDArray[Any]) -> Any:
    storage = "csr" if scipy.sparse.issparse(other) else "numpy" if isinstance(other, np.ndarray) else "device"
    return STORAGES[storage](X)


def objectives() -> list[Any]:
    """Name → dataset and l2: what `SoftmaxObjective` is tested on."""
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 3, 40).astype(float)
    return [
        pytest.param(dataset(1), 0.0, id="plain"),
        pytest.param(dataset(2), 0.3, id="l2"),
        pytest.param(dataset(3, weights=weights), 0.1, id="weights"),
        pytest.param(dataset(4, scale=0.25, shift=-0.5), 0.1, id="scale-and-shift"),
        pytest.param(dataset(5, scale=rng.uniform(0.1, 2, 6), shift=rng.normal(size=6)), 0.0, id="per-column"),
        pytest.param(dataset(6, K=2), 0.2, id="two-classes"),
        pytest.param(dataset(7, n=1), 0.0, id="one-row"),
        pytest.param(dataset(8, n=2500, d=3), 0.0, id="several-blocks"),
        *(pytest.param(dataset(9, dtype=dtype), 0.1, id=dtype) for dtype in DTYPES),
        *(
            pytest.param(dataset(9, dtype=dtype, storage="csr"), 0.1, id=f"csr-{dtype}")
            for dtype in DTYPES
            if dtype != "float16"  # of which SciPy makes no matrix
        ),
        *(
            pytest.param(
                dataset(3, storage=storage, weights=weights, scale=0.25, shift=rng.normal(size=6)), 0.1, id=storage
            )
            for storage in ("csr", "device")
        ),
        pytest.param(dataset(8, n=2500, d=3, storage="csr"), 0.0, id="csr-several-blocks"),
        pytest.param(dataset(7, n=1, storage="csr"), 0.0, id="csr-one-row"),
        pytest.param(dataset(6, n=1200, d=2, K=90, dtype="uint8", storage="csr"), 0.1, id="csr-many-classes"),
        pytest.param(dataset(6, n=50, K=2, dtype="uint8", storage="device"), 0.1, id="device-uint8"),
        pytest.param(dataset(6, n=1200, d=2, K=90, dtype="float32", storage="device"), 0.1, id="device-float32"),
    ]
