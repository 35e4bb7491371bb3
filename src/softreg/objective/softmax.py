"""The softmax-regression objective.

    f(W, b) = 1/Σw Σ_i w_i [ logsumexp(z_i) − z_i[y_i] ] + l2/2 ‖W‖²,   z = (scale · X + shift) W + b

    X (n, d)   y (n,) ints in [0, K)   w (n,)   W (d, K)   b (K,)   theta = [W; b] flat, ((d+1)·K,)

The penalty leaves b alone. With p = softmax(z) and R = w/Σw (p − onehot(y)), one row each, the gradient is

    ∂f/∂W = (scale · X + shift)ᵀ R + l2 W        ∂f/∂b = Σ_i R_i
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from softreg.data import Dataset
from softreg.kernels import Rows, arithmetic, fold, fused, sgd
from softreg.objective import preconditioner
from softreg.objective.certificate import ClassMeans, dual_bound
from softreg.protocols import Gap, Matrix, Point, Sweep, Vector

__all__ = ["SoftmaxObjective"]

MAX_BOUND_PASSES = 10


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

    def sweep(self, theta: Vector, order: NDArray[np.int64], batch_size: int, learning_rate: float) -> Sweep:
        """Go through the rows in this order, a step for each batch; see `StochasticObjective`."""
        data, theta = self.data, theta.copy()
        W, b = self.split(theta)
        index = order if self.rows is None else self.rows[order]
        mean_weight = self.weight / self.n_rows
        figures = sgd(
            Rows(data.X, data.y, data.weights, index),
            W,
            b,
            data.scale,
            data.shift,
            batch=batch_size,
            rate=learning_rate,
            mean_weight=mean_weight,
            l2=self.l2,
        )
        if figures is not None:
            loss, n_correct, weight, penalty = figures
            return Sweep(theta, (loss + penalty) / weight, loss / weight, n_correct, weight)
        value = loss = n_correct = weight = 0.0
        for start in range(0, len(order), batch_size):
            point = self.restrict(order[start : start + batch_size]).evaluate(theta)
            theta -= learning_rate * point.weight / (batch_size * mean_weight) * point.grad
            value += point.weight * point.value
            loss += point.weight * point.loss
            n_correct += point.n_correct
            weight += point.weight
        return Sweep(theta, value / weight, loss / weight, n_correct, weight)

    def preconditioner(self, theta: Vector, *, coarse: bool) -> Callable[[Vector], Vector]:
        """Return v ↦ M⁻¹ v; see `softreg.objective.preconditioner`."""
        W, b = self.split(theta)
        return preconditioner.make(self.data, self.rows, W, b, self.l2, coarse=coarse, n_threads=self.n_threads)

    def gap(self, theta: Vector, point: Point, wanted: float, solve: Callable[[Vector], Vector]) -> Gap:
        """Bound value − optimum by duality; inf without a penalty, or while `wanted` is out of reach.

        The bound holds at any theta; it is good where the intercept's gradient s is small. So as long as the rest of
        the gradient promises that `wanted` can be had, passes are made at points that `solve`, the solver's idea of
        the inverse Hessian, says to have less of s and little more of the rest.
        """
        if not self.l2 > 0:
            return Gap(math.inf)
        at, passes, best = point, 0.0, math.inf
        for attempt in range(MAX_BOUND_PASSES + 1):
            grad_W, s = self.split(at.grad)
            if not float(np.vdot(grad_W, grad_W)) / (2 * self.l2) <= wanted:  # false for nan
                break
            if "means" not in self.__dict__:
                passes += 2
            W, b = self.split(theta)
            G = grad_W - self.l2 * W
            bound = point.value - dual_bound(at.loss, G, s, W, b, self.l2, self.means)
            terms = abs(at.loss) + float(np.abs(G * W).sum() + np.abs(s * b).sum())  # what the entropy is made of
            rounding = self._epsilon + 4 * float(np.finfo(float).eps)  # in the blocks, and of what is summed up here
            bound += rounding * max(abs(point.value), terms)
            slow = not bound < 0.9 * best
            best = min(best, max(bound, 0.0))
            if slow or attempt == MAX_BOUND_PASSES or best <= wanted < math.inf:
                break
            only_s = np.zeros_like(theta)
            self.split(only_s)[1][...] = s
            theta = theta - solve(only_s)
            at = self.evaluate(theta)
            passes += 1
        return Gap(best, passes)

    @functools.cached_property
    def means(self) -> ClassMeans:
        """What the certificate needs to know of the data: two passes, once."""
        K = self.data.n_classes
        theta = np.zeros(self.size)
        uniform = self.split(replace(self, l2=0.0).evaluate(theta).grad)
        theta[-1] = 1.0
        tilted = self.split(replace(self, l2=0.0).evaluate(theta).grad)
        tilt = np.exp(theta[-K:]) / np.exp(theta[-K:]).sum()
        return ClassMeans.of(uniform[0], tilted[0], tilt, 1 / K - uniform[1])

    @property
    def precision(self) -> float:
        """Relative rounding of a value: that of a row's loss, which the mean over many rows averages out."""
        return self._epsilon / 2 / math.sqrt(max(self.n_rows, 1)) + float(np.finfo(float).eps)

    @property
    def _epsilon(self) -> float:
        return float(np.finfo(arithmetic(self.data.X.dtype)).eps)


def _column(v: float | Vector) -> float | Matrix:
    return v[:, None] if isinstance(v, np.ndarray) else v
