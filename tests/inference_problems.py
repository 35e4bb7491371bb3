"""Rows that a softmax model made, and its fit, for the tests of inference."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from softreg import Dataset, Model, Settings, fit

__all__ = ["Problem", "fitted", "sample"]


class Problem(NamedTuple):
    X: NDArray[np.float64]
    y: NDArray[Any]
    w: NDArray[np.float64] | None
    model: Model


def sample(seed: int, n: int = 300, d: int = 3, K: int = 4) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """X with columns of several means and units, one of them of 0 and 1, and labels "a", "b", …."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    x[:, -1] = x[:, -1] > 0
    W = rng.normal(size=(d, K)) * 0.7
    y = (x @ W + rng.gumbel(size=(n, K)) + np.linspace(0.5, -0.5, K)).argmax(axis=1)
    X = x * [*np.geomspace(0.3, 30, d - 1), 1.0] + [*np.linspace(5, 40, d - 1), 0.0]
    return X, np.array(list("abcdefgh"))[y]


def fitted(
    seed: int, n: int = 300, d: int = 3, K: int = 4, C: float = np.inf, *, weighted: bool = False, **fields: Any
) -> Problem:
    """A sample, and its fit to the last digits."""
    X, y = sample(seed, n, d, K)
    w = np.random.default_rng(seed + 1).uniform(0.2, 3, n) if weighted else None
    model, _ = fit(Dataset.from_labels(X, y, weights=w, **fields), Settings.for_inference(C=C))
    return Problem(X, y, w, model)
