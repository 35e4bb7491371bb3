"""The columns that move a class's logit most: weight × scale × the column's standard deviation in these rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from softreg.arrays import is_sparse, products
from softreg.data.units import moments
from softreg.report.figures import Effect, Strongest

if TYPE_CHECKING:
    from softreg.data import Dataset
    from softreg.model import Model

__all__ = ["deviations", "strongest"]

SHOWN = 10  # columns of a class
CLASSES = 50  # of which they are shown
BLOCK = 4096  # rows of a sparse matrix converted together


def deviations(X: Any) -> NDArray[np.float64]:
    """Return each column's standard deviation, (d,), a block of rows at a time.

    Examples
    --------
    >>> deviations(np.array([[1, 5], [3, 5]]))
    array([1., 0.])
    """
    if not is_sparse(X):
        return moments(X, None)[1]
    n, d = X.shape
    sums, squares = np.zeros(d), np.zeros(d)
    for start in range(0, n, BLOCK):
        block = products(X, slice(start, start + BLOCK))  # sparse still: of very many columns a block is small
        sums += block.sum(axis=0)
        squares += (block * block).sum(axis=0)
    deviation: NDArray[np.float64] = np.sqrt(np.maximum(squares / n - (sums / n) ** 2, 0.0))
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
