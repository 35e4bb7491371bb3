"""The columns that move a class's logit most: weight × scale × the column's standard deviation in these rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from softreg.arrays import products
from softreg.report.figures import Effect, Strongest

if TYPE_CHECKING:
    from softreg.data import Dataset
    from softreg.model import Model

__all__ = ["deviations", "strongest"]

SHOWN = 10  # columns of a class
CLASSES = 50  # of which they are shown
BLOCK = 4096  # rows converted together


def deviations(X: Any) -> NDArray[np.float64]:
    """Return each column's standard deviation, (d,), a block of rows at a time.

    Examples
    --------
    >>> deviations(np.array([[1, 5], [3, 5]]))
    array([1., 0.])
    """
    n, d = X.shape
    mean = np.zeros(d)
    squares = np.zeros(d)  # of what is off the mean, updated block by block (Chan, Golub & LeVeque 1983)
    seen = 0
    for start in range(0, n, BLOCK):
        block = products(X, slice(start, min(start + BLOCK, n)))
        m = block.shape[0]
        here = np.asarray(block.sum(axis=0), float).ravel() / m
        power = np.asarray((block * block).sum(axis=0), float).ravel() if not isinstance(block, np.ndarray) else None
        own = ((block - here) ** 2).sum(axis=0) if power is None else np.maximum(power - m * here**2, 0.0)
        step = here - mean
        squares += own + step**2 * (seen * m / (seen + m))
        mean += step * (m / (seen + m))
        seen += m
    deviation: NDArray[np.float64] = np.sqrt(squares / max(n, 1))
    return deviation


def strongest(model: Model, data: Dataset) -> tuple[Strongest, ...]:
    """Return the strongest columns of each class; of two classes, those of the second against the first."""
    W = model.W * (deviations(data.X) * model.scale)[:, None]
    names = model.feature_names or tuple(f"column {j}" for j in range(model.n_features))
    labels = model.classes.tolist()
    if len(labels) == 2:
        return (Strongest(labels[1], labels[0], _loudest(W[:, 1] - W[:, 0], names)),)
    W = W - W.mean(axis=1, keepdims=True)
    return tuple(Strongest(label, None, _loudest(W[:, k], names)) for k, label in enumerate(labels[:CLASSES]))


def _loudest(effects: NDArray[np.float64], names: tuple[str, ...]) -> tuple[Effect, ...]:
    order = np.argsort(-np.abs(effects), kind="stable")[:SHOWN]
    return tuple(Effect(names[j], float(effects[j])) for j in order)
