from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64] | None
Weights = NDArray[np.float64] | None

def fused(
    X: NDArray[Any],
    rows: Rows,
    labels: NDArray[np.int32],
    weights: Weights,
    begin: int,
    end: int,
    W: NDArray[Any],
    bias: NDArray[Any],
    scratch: NDArray[np.uint8],
    sums: NDArray[np.float64],
    bias_sums: NDArray[np.float64],
) -> tuple[float, float]: ...
def forward(
    X: NDArray[Any],
    rows: Rows,
    begin: int,
    end: int,
    W: NDArray[Any],
    bias: NDArray[Any],
    scratch: NDArray[np.uint8],
    z: NDArray[Any],
) -> None: ...
def pack(X: NDArray[Any], rows: Rows, begin: int, end: int, packed: NDArray[Any]) -> None: ...
def forward_packed(packed: NDArray[Any], m: int, W: NDArray[Any], bias: NDArray[Any], z: NDArray[Any]) -> None: ...
def backward_packed(packed: NDArray[Any], m: int, z: NDArray[Any], gradient: NDArray[Any]) -> None: ...
def softmax(logits: NDArray[Any], n: int) -> None: ...
def log_softmax(logits: NDArray[Any], n: int) -> None: ...
def largest(logits: NDArray[Any], classes: NDArray[np.int64], values: NDArray[Any]) -> None: ...
def softmax_change(
    probs: NDArray[Any], change: NDArray[Any], weights: Weights, rows: Rows, begin: int, end: int
) -> None: ...
def curvature(
    X: NDArray[Any],
    rows: Rows,
    weights: Weights,
    begin: int,
    end: int,
    probs: NDArray[Any],
    V: NDArray[Any],
    bias: NDArray[Any],
    scratch: NDArray[np.uint8],
    sums: NDArray[np.float64],
    bias_sums: NDArray[np.float64],
) -> None: ...
def softmax_xent(
    logits: NDArray[Any],
    labels: NDArray[np.int32],
    weights: Weights = None,
    rows: Rows = None,
    begin: int = ...,
    end: int = ...,
) -> tuple[float, float]: ...
def sgd(
    X: NDArray[Any],
    rows: Rows,
    labels: NDArray[np.int32],
    weights: Weights,
    batch: int,
    rate: float,
    mean_weight: float,
    l2: float,
    scale: NDArray[np.float64],
    shift: NDArray[np.float64],
    scratch: NDArray[np.uint8],
    folded: NDArray[Any],
    bias: NDArray[Any],
    W: NDArray[np.float64],
    b: NDArray[np.float64],
    bias_sums: NDArray[np.float64],
    momentum: float = ...,
    velocity: NDArray[np.float64] | None = None,
    bias_velocity: NDArray[np.float64] | None = None,
    intercept: bool = True,
) -> tuple[float, float, float, float]: ...
def scratch_bytes(single: bool, d: int, K: int) -> int: ...
def padded(single: bool, d: int) -> int: ...
def longest_batch() -> int: ...
def tile_rows() -> int: ...
def multiply_add(single: bool, rounds: int) -> float: ...
def instruction_sets() -> list[str]: ...
def instruction_set() -> str: ...
def choose(name: str) -> None: ...
