"""The softmax-regression objective.

    f(W, b) = 1/Σw Σ_i w_i [ logsumexp(z_i) − ⟨T_i, z_i⟩ ] + l2/2 ‖W‖²,   z = (scale · X + shift) W + b + offset

    X (n, d)   T (n, K) rows of probabilities   w (n,)   W (d, K)   b (K,)   theta = [W; b] flat, ((d+1)·K,)

T is onehot(y) for labels; `softreg.objective.targets` has the others. The penalty leaves b alone. With p = softmax(z)
and R = w/Σw (p − T), one row each, the gradient is

    ∂f/∂W = (scale · X + shift)ᵀ R + l2 W        ∂f/∂b = Σ_i R_i
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.data import Dataset
from softreg.kernels import Rows, fold, fused, logits
from softreg.objective import batches, curvature, facet, hessian, intercept, preconditioner
from softreg.objective.certificate import ClassMeans, dual_bound, mean_entropy
from softreg.objective.penalty import L1
from softreg.objective.targets import Linear, Offsets, Targets
from softreg.protocols import Curvature, Facet, Gap, Matrix, Point, Preconditioner, Sweep, Vector

__all__ = ["SoftmaxObjective"]

MAX_BOUND_PASSES = 10
FEW_ROWS = 1000  # a pass over fewer costs no less; nor should it matter whether rows are repeated or weighted
EPSILON = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class SoftmaxObjective:
    """Softmax regression on a Dataset, or on some of its rows."""

    data: Dataset
    l2: float = 0.0
    rows: NDArray[np.int64] | None = None  # all of them when None
    n_threads: int | None = None  # what the process may use when None
    precise: bool = False  # float64 arithmetic, whatever the type of X
    intercept: bool = True  # or b stays 0: whatever is told of it is 0
    smoothing: float = 0.0  # of the labels

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

    def finer(self) -> SoftmaxObjective | None:
        """Return the same objective in float64 arithmetic; None where this is it."""
        return None if self._arithmetic is np.float64 else self._knowing("linear", precise=True)

    def penalised(self, l2: float) -> SoftmaxObjective:
        """Return the same objective with another penalty."""
        return self._knowing("linear", "means", "offsets", l2=l2)

    def _knowing(self, *names: str, **changes: Any) -> SoftmaxObjective:
        other = replace(self, **changes)
        other.__dict__.update((name, self.__dict__[name]) for name in names if name in self.__dict__)
        return other

    def split(self, theta: Vector) -> tuple[Matrix, Vector]:
        """W (d, K) and b (K,) as views of theta."""
        stacked = theta.reshape(-1, self.data.n_classes)
        return stacked[:-1], stacked[-1]

    @functools.cached_property
    def weight(self) -> float:
        """Σw over the rows."""
        return self.kernel_rows.weight

    def evaluate(self, theta: Vector) -> Point:
        """Value, loss, gradient and running counts, in one pass over X. Without any weight the loss is 0."""
        return self._point(theta)

    def _point(self, theta: Vector, *, once: bool = False, free: bool = False) -> Point:
        """What `evaluate` returns: of rows that are seen `once`, as a batch is, or `free` of penalty and offsets."""
        data, rows, targets = self.data, self.kernel_rows, self.targets
        W, b = self.split(theta)
        at = fold(W, b, data.scale, data.shift)
        rows, l2 = (replace(rows, offset=None), 0.0) if free else (rows, self.l2)
        sums = fused(rows, *at, self.n_threads, targets.columns if once and not targets.hard else None)
        total, grad = sums.loss, sums.grad  # finished in place: with many classes it is what memory goes to
        if not (once or targets.hard):
            total += self.linear.at(*at, self._arithmetic)[0]
            grad += self.linear.sums

        weight = self.weight
        share = 1 / weight if weight > 0 else 0.0
        grad *= share
        grad[-1] -= grad[-1].mean()  # a shift of all classes changes nothing; what is not 0 there is rounding
        for j in _spans(*W.shape):
            grad[:-1][j] *= _part(data.scale, j)
            if np.any(data.shift):
                grad[:-1][j] += _part(data.shift, j) * grad[-1]
            if l2:
                grad[:-1][j] += l2 * W[j]
        if not (self.intercept or free):
            grad[-1] = 0.0
        loss = total * share
        penalty = l2 / 2 * float(np.vdot(W, W)) if l2 else 0.0
        return Point(loss + penalty, loss, grad.ravel(), sums.n_correct, weight)

    def sweep(
        self,
        theta: Vector,
        order: NDArray[np.int64],
        batch_size: int,
        learning_rate: float,
        momentum: float = 0.0,
        velocity: Vector | None = None,
    ) -> Sweep:
        """Go through the rows in this order, a step for each batch; see `StochasticObjective`."""
        velocity = None if velocity is None else velocity.copy()
        return batches.sweep(self, theta.copy(), order, batch_size, learning_rate, momentum, velocity)

    def batch(self, rows: NDArray[np.int64], theta: Vector) -> Point:
        """Evaluate on these rows of its own, this once."""
        return self.restrict(rows)._point(theta, once=True)

    def preconditioner(self, theta: Vector, *, coarse: bool) -> Preconditioner:
        """Return v ↦ M⁻¹ v; see `softreg.objective.preconditioner`."""
        at = self.split(theta)
        return preconditioner.make(self.data, self.rows, *at, self.l2, coarse, self.n_threads, self.intercept)

    def secant(self, s: Vector, y: Vector, before: SoftmaxObjective) -> Vector:
        """Return the difference of gradients along s, where it was y with the penalty of `before`."""
        W, b = self.split(s)
        return y + np.append((self.l2 - before.l2) * W, np.zeros_like(b))

    def curvature(self, theta: Vector, share: float = 1.0) -> Curvature:
        """Return the Hessian at theta as a product; see `softreg.objective.curvature`."""
        at = self.split(theta)
        return curvature.products(
            self.kernel_rows, self.data, *at, self.l2, self.weight, share, self.n_threads, self.intercept
        )

    @property
    def penalty(self) -> L1:
        """What is not smooth in it: nothing."""
        return L1(0.0, self.size - self.data.n_classes, self.data.n_classes)

    def facet(self, theta: Vector, index: NDArray[np.int64]) -> Facet:
        """Return the Hessian at theta, of the coordinates in index; see `softreg.objective.facet`."""
        at = self.split(theta)
        return facet.make(self.data, self.rows, *at, self.l2, index, self.n_threads, self.intercept)

    @property
    def hessian_passes(self) -> float:
        """What writing it down and solving with it take, over what a pass does; as measured."""
        return self.size / 10 + self.size**2 / (5 * max(self.n_rows, FEW_ROWS))

    @property
    def flat(self) -> Vector | None:
        """The same more of every class's b; without an intercept there is none."""
        ones = np.append(np.zeros(self.size - self.data.n_classes), np.ones(self.data.n_classes))
        return ones if self.intercept else None

    def hessian(self, theta: Vector) -> Matrix:
        """Return the Hessian at theta, (size, size)."""
        rows, at = self.kernel_rows, self.split(theta)
        return hessian.matrix(rows, self.data, *at, self.l2, self.weight, self.n_threads, self.intercept)

    def gap(self, theta: Vector, point: Point, wanted: float, solve: Callable[[Vector], Vector]) -> Gap:
        """Bound value − optimum by duality; inf without a penalty, or while `wanted` is out of reach.

        The bound holds at any theta; it is good where the intercept's gradient s is small. So where the rest of the
        gradient promises that `wanted` can be had, and s is in the way, it is taken where s is less: with the best
        intercept, or where the logits are too many to be kept, at a point that `solve`, the solver's idea of the
        inverse Hessian, says to have less of s and little more of the rest.
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
            entropy, terms = mean_entropy(at.loss, G, s, W, b, self.offsets.excess)
            bound = max(point.value - dual_bound(entropy, G, s, self.means, self.l2), 0.0)
            bound = min(bound + self.allowance(theta, point.value, terms), point.value)  # the optimum is at least 0
            slow = not bound < 0.9 * best
            best = min(best, bound)
            if slow or attempt == MAX_BOUND_PASSES or best <= wanted < math.inf or not s.any():
                break
            theta, spent = self.balanced(theta, s, solve)
            at = self.evaluate(theta)
            passes += 1 + spent
        return Gap(best, passes)

    def allowance(self, theta: Vector, value: float, terms: float) -> float:
        """What rounding may have done to a bound: of the value, of `terms` that it is made of, and of the logits.

        The last averages out over the rows. Logits are as large as for a class's mean row, with nothing cancelled.
        """
        W, b = self.split(theta)
        means = np.abs(self.means.xy) / np.maximum(self.means.y, EPSILON)
        largest = float(np.abs(b).max() + (means.max(axis=1) @ np.abs(W)).max()) + self.offsets.largest
        rounded, terms = 0.0, max(abs(value), terms)
        if not self.targets.hard:
            at = fold(W, b, self.data.scale, self.data.shift)
            linear, rounded = (v / (self.weight or 1.0) for v in self.linear.at(*at, self._arithmetic))
            terms += abs(linear)  # the labels' loss is as much more
        return rounded + self.rounding * max(terms, 4 * largest / math.sqrt(max(self.n_rows, 1)))

    def balanced(self, theta: Vector, s: Vector, solve: Callable[[Vector], Vector]) -> tuple[Vector, float]:
        """Return theta with less of s, the intercept's gradient, and the passes that it took."""
        data, rows = self.data, self.kernel_rows
        W, b = self.split(theta)
        if len(rows) * len(b) * np.dtype(rows.arithmetic).itemsize <= curvature.CACHE_BYTES:
            z = logits(rows, *fold(W, b, data.scale, data.shift), self.n_threads)
            w = np.ones(self.n_rows) if data.weights is None else data.weights
            w = w if data.weights is None or self.rows is None else w[self.rows]
            delta = intercept.balance(z, w / self.weight, self.means.y, self.n_threads)
            if delta is not None:
                theta = theta.copy()
                self.split(theta)[1][...] += delta
                return theta, 0.5
        only_s = np.zeros_like(theta)
        self.split(only_s)[1][...] = s
        return theta - solve(only_s), 0.0

    @property
    def targets(self) -> Targets:
        """What the rows' probabilities should be."""
        return Targets(self.data, self.kernel_rows, self.smoothing)

    @functools.cached_property
    def linear(self) -> Linear:
        """What other targets than labels add to the sum of losses."""
        return self.targets.linear(self.n_threads)

    @functools.cached_property
    def means(self) -> ClassMeans:
        """What the certificate needs to know of the data: two passes, once."""
        K = self.data.n_classes
        theta = np.zeros(self.size)
        uniform = self.split(self._point(theta, free=True).grad)
        theta[-1] = 1.0
        tilted = self.split(self._point(theta, free=True).grad)
        tilt = np.exp(theta[-K:]) / np.exp(theta[-K:]).sum()
        return ClassMeans.of(uniform[0], tilted[0], tilt, 1 / K - uniform[1], self.offsets.means)

    @functools.cached_property
    def offsets(self) -> Offsets:
        """What the certificate needs to know of the offsets."""
        return self.targets.offsets()

    @property
    def precision(self) -> float:
        """Relative rounding of a value: that of a row's loss, which the mean over many rows averages out."""
        return self._epsilon / 2 / math.sqrt(max(self.n_rows, 1)) + EPSILON

    @property
    def rounding(self) -> float:
        """What a certificate allows for it, relative: in the blocks, and of what is summed up."""
        return self._epsilon + 4 * EPSILON

    @property
    def _epsilon(self) -> float:
        return float(np.finfo(self._arithmetic).eps)

    @property
    def _arithmetic(self) -> type[np.float32] | type[np.float64]:
        return self.kernel_rows.arithmetic

    @functools.cached_property
    def kernel_rows(self) -> Rows:
        """These rows of the data, as the kernels take them."""
        return Rows(self.data.X, self.data.y, self.data.weights, self.rows, self.precise, self.data.offset)


def _part(v: float | Vector, j: slice) -> float | Matrix:
    return v[j, None] if isinstance(v, np.ndarray) else v


def _spans(d: int, K: int) -> list[slice]:
    """Slices of the features that keep what is computed on the way small."""
    size = max(1, (1 << 21) // K)
    return [slice(start, start + size) for start in range(0, d, size)]
