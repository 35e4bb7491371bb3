"""Features whose classes overlap: a linear probe's data, made and not downloaded.

    y uniform over the classes   x = D (μ_y + ε),  ε ~ N(0, I)   μ_k ~ N(0, s²) in r = d // 24 columns, 0 in the others
    D = c diag(1, 1/2, …, 1/d)

As in an embedding, classes differ in few of the directions and the spectrum falls; c makes a row's mean square 1. (With
D = I and means in all columns, rows by the dozen a class are separable however much the classes overlap.)
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

BLOCK = 5000  # rows made at a time: 15 MB beside the result
DTYPES = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


def overlapping(
    n_rows: int = 100_000,
    n_features: int = 768,
    n_classes: int = 1000,
    *,
    distance: float = 4.25,
    dtype: str = "float32",
    seed: int = 0,
    first: int = 0,
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Return X (n_rows, n_features) and labels y (n_rows,); `distance` is s √r, in deviations of the noise.

    Fewer rows are the first of more, whatever the type (float16 and bfloat16 are float32's values, rounded once), and
    rows from `first` on, a multiple of 5000, are fresh ones of the same classes: a test set.
    """
    if first % BLOCK:
        raise ValueError(f"first is {first}; expected a multiple of {BLOCK}")
    r = max(1, n_features // 24)
    means = np.random.default_rng([seed, 0]).standard_normal((n_classes, r), dtype=np.float32)
    means *= np.float32(distance / r**0.5)
    deviations = 1 / np.arange(1, n_features + 1)
    squares = deviations**2
    deviations /= np.sqrt((squares.sum() + distance**2 / r * squares[:r].sum()) / n_features)
    X = np.empty((n_rows, n_features), DTYPES[dtype])
    y = np.empty(n_rows, np.int32)
    for start in range(0, n_rows, BLOCK):
        rng = np.random.default_rng([seed, 1 + (first + start) // BLOCK])
        rows = slice(start, min(start + BLOCK, n_rows))
        size = rows.stop - rows.start
        y[rows] = rng.integers(n_classes, size=BLOCK, dtype=np.int32)[:size]
        x = rng.standard_normal((size, n_features), dtype=np.float32)
        x[:, :r] += means[y[rows]]
        x *= deviations.astype(np.float32)
        X[rows] = x
    return X, y
