"""Softmax regression with an L1 penalty beside its own: L1 where that is without L2, else an elastic net.

f(W, b) = smooth(W, b) + l1 ‖W‖₁
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from softreg.kernels import fold
from softreg.objective.certificate import dual_bound, mean_entropy, shrinkage
from softreg.objective.penalty import L1
from softreg.objective.softmax import MAX_BOUND_PASSES, SoftmaxObjective
from softreg.protocols import Facet, Gap, Matrix, Point, Vector

__all__ = ["CompositeObjective"]


@dataclass(frozen=True, eq=False)
class CompositeObjective:
    """A smooth objective and an L1 penalty on W."""

    smooth: SoftmaxObjective
    l1: float

    @property
    def size(self) -> int:
        """Length of theta."""
        return self.smooth.size

    @property
    def precision(self) -> float:
        """Relative rounding of a value."""
        return self.smooth.precision

    @property
    def penalty(self) -> L1:
        """What is not smooth in it."""
        return replace(self.smooth.penalty, strength=self.l1)

    def finer(self) -> CompositeObjective | None:
        """Return the same objective in float64 arithmetic; None where this is it."""
        finer = self.smooth.finer()
        return None if finer is None else replace(self, smooth=finer)

    def split(self, theta: Vector) -> tuple[Matrix, Vector]:
        """W (d, K) and b (K,) as views of theta."""
        return self.smooth.split(theta)

    def evaluate(self, theta: Vector) -> Point:
        """Value with the penalty, loss, gradient of the smooth part and running counts, in one pass over X."""
        point = self.smooth.evaluate(theta)
        return replace(point, value=point.value + self.penalty.value(theta))

    def facet(self, theta: Vector, index: NDArray[np.int64]) -> Facet:
        """Return the smooth part's Hessian at theta, of the coordinates in index."""
        return self.smooth.facet(theta, index)

    def gap(self, theta: Vector, point: Point, wanted: float, solve: Callable[[Vector], Vector]) -> Gap:
        """Bound value − optimum by duality; inf while `wanted` is out of reach.

        As that of the smooth objective, but for half a pass to know the entropy after a step towards the targets.
        """
        smooth, at, passes, best = self.smooth, point, 0.0, math.inf
        for _ in range(MAX_BOUND_PASSES):
            W, b = self.split(theta)
            grad_W, s = self.split(at.grad)
            G = grad_W - smooth.l2 * W
            entropy, terms = mean_entropy(at.loss, G, s, W, b, smooth.offsets.excess)
            kept = shrinkage(G, self.l1)
            hoped = kept * entropy + (1 - kept) * at.loss  # what that step is worth at most
            if smooth.l2 > 0:
                excess = np.maximum(np.abs(G) - self.l1, 0.0)
                hoped = max(hoped, entropy - float(np.vdot(excess, excess)) / (2 * smooth.l2))
            if not point.value - hoped <= wanted:  # false for nan
                break
            if "means" not in smooth.__dict__:
                passes += 2
            allowance = smooth.allowance(theta, point.value, terms)
            before = best
            bound = dual_bound(entropy, G, s, smooth.means, smooth.l2, self.l1)
            best = min(best, max(point.value - bound, 0.0) + allowance, point.value)
            if best > wanted or wanted == math.inf:
                passes += 0.5
                at_theta = fold(W, b, smooth.data.scale, smooth.data.shift)
                entropy = kept * entropy + smooth.targets.step_entropy(at_theta, 1 - kept, smooth.n_threads)
                bound = dual_bound(entropy, kept * G, kept * s, smooth.means, smooth.l2, self.l1)
                best = min(best, max(point.value - bound, 0.0) + allowance, point.value)
            if not best < 0.9 * before or best <= wanted < math.inf or not s.any():
                break
            theta, spent = smooth.balanced(theta, s, solve)
            at = smooth.evaluate(theta)
            passes += 1 + spent
        return Gap(best, passes)
