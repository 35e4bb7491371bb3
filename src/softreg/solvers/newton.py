"""Newton's method: exact where the Hessian is small, else by conjugate gradients with a preconditioner.

    direction ≈ −H⁻¹ ∇f(theta)       until ‖H direction + ∇f‖ ≤ accuracy ‖∇f‖, in the preconditioner's norm

(Nocedal & Wright 2006, section 7.1.) At first H comes from a share of the data, which is good enough for as long as
full steps are (Byrd, Chin, Neveitt & Nocedal 2011, "On the use of stochastic Hessian information in optimization
methods for machine learning"); the gradient is always that of all data, so the optimum is too.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from softreg.errors import SettingError
from softreg.protocols import HessianObjective, Matrix, Preconditioner, Vector
from softreg.solvers.checks import real, steps, whole
from softreg.solvers.search import DOUBT, Blind, backtrack
from softreg.solvers.state import PointState
from softreg.solvers.trail import Trail

__all__ = ["Newton", "NewtonState"]

WELL_CONDITIONED = 1e8  # of the inverse of a matrix with ones on its diagonal: half the digits are good
RIDGE = 4 * float(np.finfo(float).eps)  # relative to the largest: less curvature than that is rounding's

Solve = Callable[[Vector], Vector]


@dataclass(frozen=True, eq=False)
class NewtonState(PointState):
    """Theta, what is known there, and how the next step is to be found."""

    solve: Preconditioner | None = None  # None where the Hessian itself is solved with
    share: float = 1.0
    steps: int = 0
    passes: float = 1.0
    blind: Blind = field(default_factory=Blind)

    def newton(self, v: Vector) -> Vector:
        """Return what is known of H⁻¹ v."""
        return v if self.solve is None else self.solve(v)

    @property
    def grad_norm(self) -> float:
        """Euclidean norm of the gradient."""
        return self.point.grad_norm


@dataclass(frozen=True)
class Newton:
    """Newton's method: few steps, each of several passes over some or all of the data.

    Parameters
    ----------
    share : float
        Share of the data that the Hessian is taken from at first, in (0, 1]; it doubles whenever a full step fails.
    accuracy : float
        Relative accuracy of a step, in (0, 1).
    inner : int
        Most products with the Hessian in a step.
    refresh : sequence of int
        Steps before which the preconditioner is made anew.
    exact_passes : float
        Cost, in passes over the data, up to which the Hessian is written down and solved with.
    """

    default_steps: ClassVar[int] = 200
    converges: ClassVar[bool] = True

    share: float = 0.125
    accuracy: float = 0.1
    inner: int = 50
    refresh: tuple[int, ...] = (3, 8)
    exact_passes: float = 20.0

    def __post_init__(self) -> None:
        real(self, "share", "accuracy", "exact_passes")
        whole(self, 1, "inner")
        steps(self, "refresh")
        if not 0 < self.share <= 1:
            raise SettingError("share", self.share, "a number in (0, 1]")
        if not 0 < self.accuracy < 1:
            raise SettingError("accuracy", self.accuracy, "a number in (0, 1)")
        if not self.exact_passes >= 0:
            raise SettingError("exact_passes", self.exact_passes, "a number from 0")

    def init(self, objective: HessianObjective, theta: Vector) -> NewtonState:
        """Return the state before the first step: one pass."""
        point = objective.evaluate(theta)
        if objective.hessian_passes <= self.exact_passes:
            return NewtonState(theta, point)
        return NewtonState(theta, point, objective.preconditioner(theta, coarse=True), self.share)

    def follow(self, objective: HessianObjective, trail: Trail) -> NewtonState:
        """Return the state before the first step from where others led."""
        state = self.init(objective, trail.theta)
        return replace(state, passes=state.passes + trail.passes)

    def resume(self, objective: HessianObjective, state: NewtonState) -> NewtonState:
        """Return the same state on an objective that is the same but for its rounding: one pass."""
        return replace(state, point=objective.evaluate(state.theta), passes=state.passes + 1, blind=Blind())

    def step(self, objective: HessianObjective, state: NewtonState) -> NewtonState | None:
        """Return the state one step down, or None where no lower point can be told from this one."""
        solve = state.solve
        grad = state.point.grad
        if solve is None:
            direction = _solved(objective.hessian(state.theta), -grad, objective.flat)
            passes = objective.hessian_passes
        else:
            if state.steps in self.refresh:
                solve.let_go()
                solve = objective.preconditioner(state.theta, coarse=False)
            curvature = objective.curvature(state.theta, state.share)
            direction, products = _conjugate_gradients(curvature.product, -grad, solve, self.accuracy, self.inner)
            passes = curvature.passes + products * curvature.passes_each
        found = backtrack(objective, state.theta, state.point, direction, objective.precision)
        if found is None:
            return self._other(objective, replace(state, passes=state.passes + passes))
        theta, point, length, trials, _ = found
        before, squared = (_squared(v, solve if found.blind else None) for v in (grad, point.grad))
        blind = state.blind.after(found, squared)
        # Where values tell nothing, a longer gradient is no step down: it is rounding, thrown far where H is flat.
        if blind.stalled or (found.blind and not squared <= before):
            return self._other(objective, replace(state, passes=state.passes + passes + trials))
        share = min(1.0, 2 * state.share) if length < 1 else state.share
        return NewtonState(theta, point, solve, share, state.steps + 1, state.passes + passes + trials, blind)

    def _other(self, objective: HessianObjective, state: NewtonState) -> NewtonState | None:
        """Try the step again in another way, where there is one: from all data, and by conjugate gradients.

        Columns far from 0 make a Hessian from which no exact step comes; its preconditioner is definite.
        """
        if state.solve is None:
            solve = objective.preconditioner(state.theta, coarse=False)
            if not _squared(state.point.grad, solve) > DOUBT * objective.precision * abs(state.value):
                return None  # what the gradient promises is lost in the rounding of values, and so would be the step
            again = replace(state, solve=solve, blind=Blind())
        elif state.share < 1:
            again = replace(state, share=1.0)
        else:
            return None
        return self.step(objective, again)


def _squared(v: Vector, solve: Solve | None) -> float:
    """Squared norm, in the preconditioner's metric where there is one."""
    return float(v @ (v if solve is None else solve(v)))


def _conjugate_gradients(
    product: Solve, target: Vector, solve: Solve, accuracy: float, most: int
) -> tuple[Vector, int]:
    """Solve H x = target to a relative accuracy in the norm of M⁻¹; also the number of products taken."""
    x = np.zeros_like(target)
    residual, z = target.copy(), solve(target)
    direction, squared = z, float(target @ z)
    enough = accuracy**2 * squared
    for count in range(1, most + 1):
        curved = product(direction)
        curvature = float(direction @ curved)
        if not curvature > 0:  # nan too, or rounding
            return (x if count > 1 else z), count
        length = squared / curvature
        x += length * direction
        residual -= length * curved
        z = solve(residual)
        before, squared = squared, float(residual @ z)
        if not squared > enough:
            break
        direction = z + squared / before * direction
    return x, count


def _solved(H: Matrix, target: Vector, flat: Vector | None) -> Vector:
    """Solve H x = target, H positive semidefinite: x has nothing of the directions in which H has no curvature.

    The target has nothing of them either, but for rounding, which would be divided by next to 0. Where `flat` is the
    only one, curvature in it changes no x, and an inverse will do, in a tenth of the time of eigenvectors.
    """
    if not np.isfinite(H).all():
        return np.full_like(target, math.nan)
    diagonal = np.diagonal(H).copy()
    diagonal[~(diagonal > 0)] = 1.0
    root = 1 / np.sqrt(diagonal)
    H, target = H * np.outer(root, root), root * target
    if flat is not None:
        u = flat / root
        with contextlib.suppress(np.linalg.LinAlgError):
            inverse = np.linalg.inv(H + np.outer(u, u) / (u @ u))
            if np.diagonal(inverse).min() > 0 and np.diagonal(inverse).max() <= WELL_CONDITIONED:  # false for nan
                x = inverse @ target
                return np.asarray(root * (x + inverse @ (target - H @ x)), float)
    eigenvalues, vectors = np.linalg.eigh(H)
    curved = eigenvalues > RIDGE * len(H) * max(eigenvalues[-1], 0.0)
    part = vectors[:, curved]
    return np.asarray(root * (part @ ((part.T @ target) / eigenvalues[curved])), float)
