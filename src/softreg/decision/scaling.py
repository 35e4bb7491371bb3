"""The objective of calibration: softmax regression on a model's own logits, of one parameter or of two a class.

    f = 1/Σw Σ_i w_i [ logsumexp(u_i) − u_i[y_i] ] + l2/2 ‖theta − theta₀‖²        u_ik = s_k z_ik + c_k

    z (n, K) logits   y (n,) codes   w (n,)   theta = (β,), s = β and c = 0: temperature 1/β; or theta = (s, c), (2K,)

theta₀ is the identity, s = 1 and c = 0. With r_ik = w_i/Σw (p_ik − [y_i = k]) the gradient is ∂f/∂s_k = Σ_i r_ik z_ik,
∂f/∂c_k = Σ_i r_ik, and with a and b each z or 1 (that is, for s and c) the Hessian is

    Σ_i w_i/Σw p_ik (δ_km − p_im) a_ik b_im

both summed over k, and m, for β. How far f is above its optimum at most: |∇f|²/(2 l2) with a penalty; for β alone, with
R the largest range of a row's logits, g = f′ and h = f″,

    h/R² (q + (1 − q) log(1 − q)),   q = R |g| / h < 1

since f″ changes by at most e^{±Rt} over t: a row's third cumulant is at most R times its variance (after Bach 2010,
"Self-concordant analysis for logistic regression").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from softreg.functional import cross_entropy, softmax
from softreg.protocols import Curvature, Gap, Matrix, Point, Preconditioner, Vector

__all__ = ["ScalingObjective"]


@dataclass(frozen=True, eq=False)
class ScalingObjective:
    """Softmax regression on logits; see above. It is small, and its Hessian is always written down."""

    z: Matrix
    y: NDArray[np.intp]
    w: Vector
    per_class: bool
    l2: float = 0.0

    @property
    def size(self) -> int:
        """Length of theta."""
        return 2 * self.z.shape[1] if self.per_class else 1

    @property
    def identity(self) -> Vector:
        """Theta that changes nothing."""
        K = self.z.shape[1]
        return np.repeat([1.0, 0.0], K) if self.per_class else np.ones(1)

    def split(self, theta: Vector) -> tuple[Vector, Vector]:
        """Return s and c, one for each class."""
        K = self.z.shape[1]
        return (theta[:K], theta[K:]) if self.per_class else (np.full(K, theta[0]), np.zeros(K))

    def evaluate(self, theta: Vector) -> Point:
        """Value, loss and gradient."""
        s, c = self.split(theta)
        u = self.z * s + c
        loss = float(self.w @ cross_entropy(u, self.y, reduction="none")) / self.weight
        residual = self._probabilities(theta)
        residual[np.arange(len(u)), self.y] -= 1
        residual *= (self.w / self.weight)[:, None]
        grad_s, grad_c = np.einsum("ik,ik->k", residual, self.z), residual.sum(axis=0)
        grad = np.append(grad_s, grad_c) if self.per_class else np.array([grad_s.sum()])
        away = theta - self.identity
        correct = float(self.w @ (u.argmax(axis=1) == self.y))
        return Point(loss + self.l2 / 2 * float(away @ away), loss, grad + self.l2 * away, correct, self.weight)

    def hessian(self, theta: Vector) -> Matrix:
        """Return the Hessian at theta, (size, size)."""
        p = self._probabilities(theta)
        share = (self.w / self.weight)[:, None]
        pz = p * self.z
        if not self.per_class:
            variance = (pz * self.z).sum(axis=1) - pz.sum(axis=1) ** 2
            return np.array([[share[:, 0] @ np.maximum(variance, 0.0) + self.l2]])
        stacked = np.hstack([pz, p])
        H = -(share * stacked).T @ stacked
        K = self.z.shape[1]
        k = np.arange(K)
        H[k, k] += (share * pz * self.z).sum(axis=0)
        H[K + k, K + k] += (share * p).sum(axis=0)
        H[k, K + k] += (share * pz).sum(axis=0)
        H[K + k, k] += (share * pz).sum(axis=0)
        H[np.diag_indices(2 * K)] += self.l2
        return H

    def gap(self, theta: Vector, point: Point) -> Gap:
        """Bound value − optimum at theta, where `point` was evaluated."""
        squared = float(point.grad @ point.grad)
        if self.l2 > 0:
            return Gap(squared / (2 * self.l2))
        if self.per_class:
            return Gap(math.inf)
        spread = float(np.ptp(self.z, axis=1).max())
        h = float(self.hessian(theta)[0, 0])
        q = spread * math.sqrt(squared) / h if h > 0 else math.inf
        if not q < 1:  # true for nan
            return Gap(math.inf)
        return Gap(h / spread**2 * _second_order(q))

    @cached_property
    def weight(self) -> float:
        """Σw."""
        return float(self.w.sum())

    @property
    def precision(self) -> float:
        """Relative rounding of a value."""
        return 2 * float(np.finfo(float).eps)

    @property
    def hessian_passes(self) -> float:
        """Nothing worth a word beside what else there would be."""
        return 0.0

    @property
    def flat(self) -> Vector | None:
        """None: a shift of all classes is not among its parameters."""
        return None

    def preconditioner(self, theta: Vector, *, coarse: bool) -> Preconditioner:
        """Return the inverse Hessian, where Newton's own step fails."""
        return _Inverse(self.hessian(theta) + 1e-12 * np.eye(self.size))

    def curvature(self, theta: Vector, share: float = 1.0) -> Curvature:
        """Return the Hessian at theta as a product; from all rows, whatever the share."""
        return Curvature(self.hessian(theta).__matmul__, 1.0, 0.0)

    def secant(self, s: Vector, y: Vector, before: ScalingObjective) -> Vector:
        """Return the difference of gradients along s, where it was y in `before`: one with another l2."""
        return y + (self.l2 - before.l2) * s

    def _probabilities(self, theta: Vector) -> Matrix:
        s, c = self.split(theta)
        probs: Matrix = softmax(self.z * s + c)
        return probs


@dataclass(frozen=True, eq=False)
class _Inverse:
    H: Matrix

    def __call__(self, v: Vector) -> Vector:
        return np.asarray(np.linalg.solve(self.H, v), float)

    def let_go(self) -> None:
        """Nothing to free."""


def _second_order(q: float) -> float:
    """q + (1 − q) log(1 − q), for which small q leave no digits: Σ q^j / (j (j − 1))."""
    if q < 1e-3:
        return q * q / 2 + q**3 / 6 + q**4 / 12
    return q + (1 - q) * math.log1p(-q)
