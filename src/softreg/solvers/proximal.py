"""A proximal quasi-Newton method for what is smooth but for a weighted L1 norm.

    theta⁺ ≈ argmin_x ∇fᵀ(x − theta) + ½ (x − theta)ᵀ B (x − theta) + Σ_j w_j |x_j|    over a working set of coordinates

(Lee, Sun & Saunders 2014, "Proximal Newton-type methods for minimizing composite functions".) B is the Hessian as a
part of the data tells it, corrected by the gradients seen since it was made (BFGS), so that a step costs little more
than a pass and the last digits come quickly. Two things keep the working set near what will not be 0 in the end: the
w_j start large enough for theta to be best as it is and fall to what they should be, and a step frees at most as many
coordinates as are not at 0 already.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from softreg.errors import SettingError
from softreg.protocols import CompositeObjective, Facet, Point, Vector
from softreg.solvers.checks import real, whole
from softreg.solvers.quadratic import conjugate_gradients, least_subgradient, minimum
from softreg.solvers.search import Blind, backtrack
from softreg.solvers.state import PointState

__all__ = ["Proximal", "ProximalState"]

FIRST = 128  # coordinates that a step may free, or as many as are not at 0
NEAR = 0.9  # share of w_j from which |∂_j f| is near enough to be in the working set of a new model
MISS = 0.5  # relative error of a change of the gradient from which a model is made anew
CURVED = 1e-8  # a pair with sᵀy below this share of |s||y| is noise


@dataclass(frozen=True, eq=False)
class _Model:
    """The Hessian of some coordinates, with a pair of vectors for each correction."""

    index: NDArray[np.int64]
    facet: Facet
    corrections: tuple[tuple[float, Vector], ...] = ()

    def product(self, v: Vector) -> Vector:
        """Return B v."""
        result = self.facet.product(v)
        for factor, u in self.corrections:
            result = result + factor * float(u @ v) * u
        return result

    def after(self, s: Vector, y: Vector) -> tuple[_Model, float]:
        """Return the model that takes s to y, and by how much this one missed it."""
        image = self.product(s)
        sy, curved = float(s @ y), float(s @ image)
        unit = 1 / np.sqrt(self.facet.diagonal)
        size = float(np.linalg.norm(y * unit))
        miss = float(np.linalg.norm((y - image) * unit)) / size if size > 0 else math.inf
        if not (sy > CURVED * float(np.linalg.norm(s / unit)) * size and curved > 0):
            return self, miss
        return replace(self, corrections=(*self.corrections, (1 / sy, y), (-1 / curved, image))), miss


@dataclass(frozen=True, eq=False)
class ProximalState(PointState):
    """Theta, what is known there, and the model of how it curves."""

    grad_norm: float  # of the least subgradient of value
    strength: float  # times the penalty is what the next step minimises; 1 in the end
    model: _Model | None = None  # None where it is to be made anew
    steps: int = 0
    passes: float = 1.0
    blind: Blind = field(default_factory=Blind)

    def newton(self, v: Vector) -> Vector:
        """Return what is known of H⁻¹ v, H the Hessian of the smooth part."""
        if self.model is None:
            return np.zeros_like(v)
        index = self.model.index
        free = np.full(len(index), True)
        result = np.zeros_like(v)
        result[index], _ = conjugate_gradients(self.model.product, v[index], self.model.facet.solver(free), free)
        return result


@dataclass(frozen=True)
class Proximal:
    """Proximal quasi-Newton: for an L1 penalty or an elastic net, with exact zeros.

    Parameters
    ----------
    first : int
        Coordinates that a step may free while fewer are not at 0.
    ratio : float
        Above 1: by how much the penalty falls in a step, from one at which the start is best.
    most : int
        Coordinates in the model of a step, which takes most² numbers.
    """

    default_steps: ClassVar[int] = 300
    converges: ClassVar[bool] = True

    first: int = FIRST
    ratio: float = 3.0
    most: int = 4000

    def __post_init__(self) -> None:
        whole(self, 1, "first", "most")
        real(self, "ratio")
        if not self.ratio > 1:
            raise SettingError("ratio", self.ratio, "a number above 1")

    def init(self, objective: CompositeObjective, theta: Vector) -> ProximalState:
        """Return the state before the first step: one pass."""
        point = objective.evaluate(theta)
        weights = objective.penalty.weights
        least = least_subgradient(theta, point.grad, weights)
        excess = float(np.max(np.abs(least[weights > 0]) / weights[weights > 0], initial=0.0))
        return ProximalState(theta, point, _norm(least), 1.0 + excess if math.isfinite(excess) else 1.0)

    def resume(self, objective: CompositeObjective, state: ProximalState) -> ProximalState:
        """Return the same state on an objective that is the same but for its rounding: one pass."""
        point = objective.evaluate(state.theta)
        least = least_subgradient(state.theta, point.grad, objective.penalty.weights)
        return replace(state, point=point, grad_norm=_norm(least), passes=state.passes + 1, blind=Blind())

    def _working_set(self, theta: Vector, grad: Vector, weights: Vector, near: float) -> NDArray[np.int64]:
        """Coordinates that are not at 0, and those with more than this share of what they need to leave it."""
        there = (theta != 0) | (weights == 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            pull = np.where(there, 0.0, np.abs(grad) / weights)
        chosen = there | _most(np.where(pull > near, pull, 0.0), max(self.first, int(there.sum())))
        if int(chosen.sum()) > self.most:
            chosen = _most(np.where(chosen, np.abs(least_subgradient(theta, grad, weights)), 0.0), self.most)
        return np.flatnonzero(chosen)

    def step(self, objective: CompositeObjective, state: ProximalState) -> ProximalState | None:
        """Return the state one step down, or None where no lower point can be told from this one."""
        strength = max(1.0, state.strength / self.ratio)
        weights = strength * objective.penalty.weights
        theta, passes = state.theta, state.passes
        model = state.model
        if model is None or not np.isin(self._working_set(theta, state.point.grad, weights, 1.0), model.index).all():
            index = self._working_set(theta, state.point.grad, weights, NEAR)
            model = _Model(index, objective.facet(theta, index))
            passes += model.facet.passes
            state = replace(state, model=None)
        index = model.index
        x, products = minimum(model.facet, model.product, state.point.grad[index], theta[index], weights[index])
        passes += products * model.facet.passes_each
        direction = np.zeros_like(theta)
        direction[index] = x - theta[index]
        along = _Along(objective, weights, strength, direction)
        start = along.bent(theta, state.point, direction)
        found = backtrack(along, theta, start, direction, objective.precision)
        if found is not None:
            passes += found.trials
            point = cast(_Bent, found.point).straight
            before, after = (
                float(np.sum(least_subgradient(at, there.grad, weights)[index] ** 2 / model.facet.diagonal))
                for at, there in ((theta, state.point), (found.theta, point))
            )
        if found is None or (found.blind and not after < before):  # values tell nothing, and gradients nothing good
            if state.model is not None:  # of its own, perhaps, no more than rounding
                return self.step(objective, replace(state, model=None, passes=passes))
            if strength > 1:
                return self.step(objective, replace(state, strength=strength, passes=passes))
            return None
        blind = state.blind.after(found, after)
        if blind.stalled:
            return None
        corrected, miss = model.after(direction[index] * found.step, (point.grad - state.point.grad)[index])
        good = strength == 1 and (miss <= MISS or found.blind)
        if miss <= MISS:  # else, after a blind step, a change that is all rounding
            model = corrected
        grad_norm = float(np.linalg.norm(least_subgradient(found.theta, point.grad, objective.penalty.weights)))
        kept = model if good else None
        return ProximalState(found.theta, point, grad_norm, strength, kept, state.steps + 1, passes, blind)


def _norm(v: Vector) -> float:
    return float(np.linalg.norm(v))


def _most(pull: Vector, many: int) -> NDArray[np.bool_]:
    """Which entries are above 0; the largest, where those are too many."""
    chosen = pull > 0
    if int(chosen.sum()) > many:
        chosen = np.zeros(len(pull), dtype=bool)
        chosen[np.argsort(-pull, kind="stable")[:many]] = True
    return chosen


@dataclass(frozen=True, eq=False)
class _Bent(Point):
    straight: Point


@dataclass(frozen=True, eq=False)
class _Along:
    """The penalised function on a line, where it has a slope: that on the right at its start, on the left beyond."""

    objective: CompositeObjective
    weights: Vector
    strength: float
    direction: Vector

    @property
    def size(self) -> int:
        return self.objective.size

    def evaluate(self, theta: Vector) -> _Bent:
        return self.bent(theta, self.objective.evaluate(theta), -self.direction)

    def bent(self, theta: Vector, point: Point, side: Vector) -> _Bent:
        signs = np.where(theta != 0, np.sign(theta), np.sign(side))
        value = point.value + (self.strength - 1) * self.objective.penalty.value(theta)
        return _Bent(value, point.loss, point.grad + self.weights * signs, point.n_correct, point.weight, point)
