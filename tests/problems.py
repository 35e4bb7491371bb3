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


def logits(data: Dataset, W: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """From the definition."""
    z: NDArray[np.float64] = plain(data) @ W + b
    return z if data.offset is None else z + data.offset


def in_float64(data: Dataset) -> Dataset:
    """The same data in float64, so that finite differences see no rounding of float32."""
    return replace(data, X=_stored_as(data.X, _array(data.X).astype(float)))


def some_rows(data: Dataset, rows: NDArray[Any]) -> Dataset:
    """The Dataset of these rows, in the same storage."""
    fields = {name: getattr(data, name) for name in ("weights", "targets", "offset")}
    parts: dict[str, Any] = {name: None if value is None else value[rows] for name, value in fields.items()}
    return replace(data, X=_stored_as(data.X, _array(data.X)[rows]), y=data.y[rows], **parts)


def soft(data: Dataset, seed: int = 0, **fields: Any) -> Dataset:
    """The same rows with targets: a third of them hard, a third of two classes, a third of all."""
    rng = np.random.default_rng(seed)
    n, K = data.n_rows, data.n_classes
    T = rng.dirichlet(np.full(K, 0.7), n)
    hard, two = np.arange(n) % 3 == 0, np.arange(n) % 3 == 1
    T[hard] = np.eye(K)[T[hard].argmax(axis=1)]
    T[two] *= T[two] >= np.sort(T[two], axis=1)[:, [-2]]
    T[two] /= T[two].sum(axis=1, keepdims=True)
    return replace(data, y=T.argmax(axis=1), targets=T, **fields)


def offsets(n: int, K: int = 4, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(n, K)) + np.linspace(-1, 1, K)


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
        pytest.param(soft(dataset(1)), 0.0, id="targets"),
        pytest.param(soft(dataset(2, dtype="uint8", scale=0.3, shift=-0.2, weights=weights)), 0.1, id="targets-uint8"),
        pytest.param(soft(dataset(3, n=2500, d=3, dtype="int32")), 0.1, id="targets-converted"),
        pytest.param(soft(dataset(4, K=2)), 0.1, id="targets-two-classes"),
        pytest.param(soft(dataset(5, K=70, dtype="float32")), 0.1, id="targets-many-classes"),
        pytest.param(dataset(1, offset=offsets(40)), 0.0, id="offset"),
        pytest.param(dataset(2, dtype="uint8", weights=weights, offset=offsets(40)), 0.1, id="offset-uint8"),
        pytest.param(dataset(3, n=2500, d=3, dtype="int32", offset=offsets(2500)), 0.1, id="offset-converted"),
        pytest.param(soft(dataset(4, K=70), offset=offsets(40, 70)), 0.1, id="both-many-classes"),
        pytest.param(soft(dataset(5, scale=0.5, shift=1.0), offset=offsets(40), weights=weights), 0.1, id="both"),
        *(
            pytest.param(
                soft(dataset(5, scale=0.5, shift=1.0, storage=storage), offset=offsets(40), weights=weights),
                0.1,
                id=f"{storage}-both",
            )
            for storage in ("csr", "device")
        ),
        pytest.param(soft(dataset(3, n=2500, d=3, dtype="uint8", storage="csr")), 0.1, id="csr-targets"),
        pytest.param(soft(dataset(5, K=70, dtype="float32", storage="device")), 0.1, id="device-targets-float32"),
        pytest.param(dataset(4, K=70, storage="csr", offset=offsets(40, 70)), 0.1, id="csr-offset-many-classes"),
        pytest.param(dataset(2, dtype="uint8", storage="device", offset=offsets(40)), 0.1, id="device-offset-uint8"),
    ]
