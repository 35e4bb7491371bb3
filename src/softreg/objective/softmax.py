"""The softmax-regression objective.

    f(W, b) = 1/Σw Σ_i w_i [ logsumexp(z_i) − z_i[y_i] ] + l2/2 ‖W‖²,   z = (scale · X + shift) W + b

    X (n, d)   y (n,) ints in [0, K)   w (n,)   W (d, K)   b (K,)   theta = [W; b] flat, ((d+1)·K,)

The penalty leaves b alone. With p = softmax(z) and R = w/Σw (p − onehot(y)), one row each, the gradient is

    ∂f/∂W = (scale · X + shift)ᵀ R + l2 W        ∂f/∂b = Σ_i R_i
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from softreg.data import Dataset
from softreg.kernels import Rows, fold, fused
from softreg.protocols import Matrix, Point, Vector

__all__ = ["SoftmaxObjective"]


@dataclass(frozen=True, eq=False)
class SoftmaxObjective:
    """Softmax regression on a Dataset, or on some of its rows."""

    data: Dataset
    l2: float = 0.0
    rows: NDArray[np.int64] | None = None  # all of them when None
    n_threads: int | None = None  # what the process may use when None

    @property
    def n_rows(self) -> int:
        """Rows that the mean is taken over."""
        return self.data.n_rows if self.rows is None else len(self.rows)

    @property
    def size(self) -> int:
        """Length of theta: a weight for each feature and class, and a bias for each class."""
        return (self.data.n_features + 1) * self.data.n_classes

    def restrict(self, rows: NDArray[np.int64]) -> SoftmaxObjective:
        """Return the same objective on these rows of its own, in this order; nothing is copied."""
        return replace(self, rows=rows if self.rows is None else self.rows[rows])

    def split(self, theta: Vector) -> tuple[Matrix, Vector]:
        """W (d, K) and b (K,) as views of theta."""
        stacked = theta.reshape(-1, self.data.n_classes)
        return stacked[:-1], stacked[-1]

    @property
    def weight(self) -> float:
        """Σw over the rows."""
        w = self.data.weights
        return float(self.n_rows) if w is None else float(w.sum() if self.rows is None else w[self.rows].sum())

    def evaluate(self, theta: Vector) -> Point:
        """Value, loss, gradient and running counts, in one pass over X. Without any weight the loss is 0."""
        data = self.data
        W, b = self.split(theta)
        rows = Rows(data.X, data.y, data.weights, self.rows)
        sums = fused(rows, *fold(W, b, data.scale, data.shift), self.n_threads)

        weight = self.weight
        share = 1 / weight if weight > 0 else 0.0
        grad = np.empty_like(theta)
        grad_W, grad_b = self.split(grad)
        np.multiply(sums.W.T, _column(data.scale) * share, out=grad_W)
        if np.any(data.shift):
            grad_W += share * np.outer(np.broadcast_to(data.shift, len(W)), sums.b)
        if self.l2:
            grad_W += self.l2 * W
        np.multiply(sums.b, share, out=grad_b)
        loss = sums.loss * share
        penalty = self.l2 / 2 * float(np.vdot(W, W)) if self.l2 else 0.0
        return Point(loss + penalty, loss, grad, sums.n_correct, weight)


def _column(v: float | Vector) -> float | Matrix:
    return v[:, None] if isinstance(v, np.ndarray) else v
